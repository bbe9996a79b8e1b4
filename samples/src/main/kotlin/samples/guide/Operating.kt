package samples.guide

import kittiwake.postgres.Access
import kittiwake.postgres.Kittiwake
import java.sql.Connection
import javax.sql.DataSource

/** Where a pooler gives each transaction another session of the server, nothing may be kept in one. */
fun connectBehindPooler(dataSource: DataSource, inSchema: String): Kittiwake = Kittiwake.connect(dataSource) {
    schema = inSchema
    notifications = false
}

/** Run once for each version, as the role that owns the schema. */
fun migrateAndGrant(kittiwake: Kittiwake, owner: Connection) {
    kittiwake.migrate()
    owner.createStatement().use { statement ->
        statement.execute(kittiwake.grantSql("shop_web", Access.ENQUEUE))
        statement.execute(kittiwake.grantSql("shop_worker", Access.WORK))
    }
}
