package simulation

import io.kotest.core.spec.style.FunSpec
import java.util.logging.Level
import java.util.logging.Logger

/** What goes wrong here is meant: nobody wants to read the warnings of thousands of clusters. */
fun FunSpec.withoutWarnings() {
    val library = Logger.getLogger("kittiwake")
    beforeSpec { library.level = Level.OFF }
    afterSpec { library.level = null }
}
