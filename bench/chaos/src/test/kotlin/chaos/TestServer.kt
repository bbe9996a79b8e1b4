package chaos

import chaos.server.CrashableServer
import kotlin.io.path.Path

/** One server for all specs of this JVM, each of which takes tables of its own. */
object TestServer {
    val results = Path("target/chaos-specs")

    val server: CrashableServer by lazy { CrashableServer.start(results) }
}
