package kittiwake.postgres

import kittiwake.NoTransactionException
import java.sql.SQLException

/** Classes of SQLSTATE that are about the data. */
private val ABOUT_THE_DATA = setOf("22", "23", "44", "54", "P0")

/** Whether the server would refuse the same statement for ever, rather than for now. */
internal val SQLException.isRefusal: Boolean get() = sqlState?.take(2) in ABOUT_THE_DATA

/** It would have had to wait for somebody else's lock for longer than it may. */
internal val SQLException.isLockTimeout: Boolean get() = sqlState == LOCK_NOT_AVAILABLE

private const val LOCK_NOT_AVAILABLE = "55P03"
private const val READ_ONLY = "25006"
private const val ALREADY_FAILED = "25P02"

/** What an enqueue throws for this: where the caller's transaction is the reason, it says so. */
internal fun SQLException.explained(): Exception = when (sqlState) {
    READ_ONLY ->
        NoTransactionException("enqueue() needs a transaction that may write, but this one is read-only", this)
    ALREADY_FAILED ->
        NoTransactionException(
            "enqueue() needs a sound transaction, but the surrounding one has already failed: " +
                (cause?.message ?: message),
            this,
        )
    else -> this
}
