package simulation

import io.kotest.core.spec.style.FunSpec
import java.util.logging.Level
import java.util.logging.Logger

/** What goes wrong here is meant: nobody wants to read the warnings of thousands of clusters. */
fun FunSpec.withoutWarnings() {
    val loud = listOf("kittiwake", "io.zonky", "com.zaxxer").map { Logger.getLogger(it) }
    beforeSpec { loud.forEach { it.level = Level.OFF } }
    afterSpec { loud.forEach { it.level = null } }
}
