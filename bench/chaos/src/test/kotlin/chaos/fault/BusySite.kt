package chaos.fault

import chaos.process.Child
import chaos.process.Seat
import chaos.proxy.Proxy
import chaos.server.CrashableServer
import chaos.server.SmallDisk
import kittiwake.postgres.Kittiwake
import org.postgresql.ds.PGSimpleDataSource
import java.nio.file.Path

/** Two workers and a producer that are busy, at a server of their own, whose tables belong to their role. */
class BusySite(results: Path) : AutoCloseable {
    val server = CrashableServer.start(results)
    private val disk = SmallDisk.attach(server, megabytes = 64)
    private val seats: List<Seat>
    val site: Site

    init {
        server.execute("create role $NAME login")
        server.execute("grant create on database postgres to $NAME")
        val source = PGSimpleDataSource().also { it.setURL(server.url(user = NAME)) }
        Kittiwake.connect(source) { schema = NAME }.use { it.migrate() }
        disk?.take("$NAME.job", "$NAME.ready")
        seats = listOf("worker-1", "worker-2", "producer-1").map { seat(it, results) }
        site =
            Site(server, NAME, NAME, seats.filter { "worker" in it.name }, seats.filter { "producer" in it.name }, disk)
    }

    private fun seat(name: String, results: Path): Seat {
        val proxy = Proxy("127.0.0.1", server.port, name)
        val seat =
            Seat(name, proxy) { arrival ->
                Child(
                    Busy::class.java.name,
                    listOf(server.url(proxy.port, NAME), NAME),
                    results.resolve("$name-${arrival.generation}.log"),
                    clock = arrival.clock,
                )
            }
        return seat.also { it.occupy() }
    }

    /** How many jobs have ended. */
    fun ended(): Int = server.ask("select count(*) from $NAME.archive")!!.toInt()

    override fun close() {
        seats.forEach { it.close() }
        seats.forEach { it.proxy.close() }
        server.close()
        disk?.close()
    }

    companion object {
        const val NAME = "harmed"
    }
}
