package kittiwake.exposed

import kittiwake.NoTransactionException
import kittiwake.postgres.Kittiwake
import org.jetbrains.exposed.v1.jdbc.Database
import java.util.Collections
import java.util.WeakHashMap

private val attached: MutableMap<Database, Kittiwake> = Collections.synchronizedMap(WeakHashMap())

/**
 * Lets transactions of [db] enqueue into this queue. [db] must talk to the database that the queue lives in.
 *
 * A database knows one queue; attaching another replaces it.
 */
public fun Kittiwake.attach(db: Database) {
    attached[db] = this
}

/** The queue that [db] was attached to; without one it says how to mend that. */
internal fun kittiwakeOf(db: Database): Kittiwake = attached[db] ?: throw NoTransactionException(
    "No Kittiwake is attached to database ${db.place}, whose transaction this is. Call kittiwake.attach(db) once, " +
        "with the Database that your transactions use. Attached are: ${attached.keys.map { it.place }}",
)

/** Where it is, without the parameters of its URL: there are many, and the password may be one. */
internal val Database.place: String get() = url.substringBefore('?')
