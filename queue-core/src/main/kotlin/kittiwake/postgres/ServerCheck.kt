package kittiwake.postgres

import kittiwake.internal.Problems
import kittiwake.internal.checkConfig
import org.postgresql.PGConnection
import org.postgresql.util.DriverInfo
import java.sql.Connection
import java.sql.ResultSet

/** What a worker needs of its server and driver: all that is wrong is said at once, before it claims anything. */
internal object ServerCheck {
    private const val OLDEST_SERVER = 150_000
    private const val OLDEST_DRIVER_MAJOR = 42
    private const val OLDEST_DRIVER_MINOR = 7

    private const val SETTINGS = """
        select current_setting('server_version_num')::int as version, current_setting('server_version') as version_name,
               current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby,
               current_setting('standard_conforming_strings')::bool as standard_strings
        """

    /** Throws an [IllegalArgumentException] with all problems. */
    fun check(connection: Connection) {
        connection.createStatement().use { statement ->
            statement.executeQuery(SETTINGS).use { settings ->
                settings.next()
                checkConfig("The server or the driver") { rules(settings) }
            }
        }
    }

    /** Whether somebody stands between: the driver was told of another process than the one that answers. */
    fun isPooled(connection: Connection): Boolean {
        if (!connection.isWrapperFor(PGConnection::class.java)) return false
        connection.createStatement().use { statement ->
            statement.executeQuery("select pg_backend_pid()").use {
                it.next()
                return it.getInt(1) != connection.unwrap(PGConnection::class.java).backendPID
            }
        }
    }

    private fun Problems.rules(settings: ResultSet) {
        rule(settings.getInt("version") >= OLDEST_SERVER) {
            "the server must be PostgreSQL 15 or newer, but is ${settings.getString("version_name")}"
        }
        rule(settings.getString("encoding") == "UTF8") {
            "the database must be encoded in UTF8, but is in ${settings.getString("encoding")}"
        }
        rule(!settings.getBoolean("standby")) { "the server is a standby, which cannot be written to. Use the primary" }
        rule(settings.getBoolean("standard_strings")) { "standard_conforming_strings must be on, but is off" }
        val driver = DriverInfo.MAJOR_VERSION to DriverInfo.MINOR_VERSION
        rule(driver.first > OLDEST_DRIVER_MAJOR || driver.second >= OLDEST_DRIVER_MINOR) {
            "the PostgreSQL driver must be 42.7 or newer, but is ${DriverInfo.DRIVER_VERSION}"
        }
    }
}
