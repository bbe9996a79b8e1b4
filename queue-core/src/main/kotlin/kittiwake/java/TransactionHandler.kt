package kittiwake.java

import java.sql.Connection

/**
 * Works jobs of one type in a transaction of [Connection]: what it writes there, the jobs it enqueues there and the
 * completion of its job are one commit, or nothing is. So they happen once, whatever crashes.
 *
 * ```java
 * worker.handleInTransaction(BOOK, pool, (connection, args, job) -> {
 *     ledger.insert(connection, args.orderId(), args.cents());
 *     queue.enqueue(connection, MAIL, new MailArgs(args.orderId()));
 *     return null;
 * });
 * ```
 * It runs on a thread that may block, on a connection of its own. What it throws, checked or not, is the failure of the
 * attempt, and all is undone. The commit is Kittiwake's: a handler that commits or rolls back by itself does not
 * complete its job. Part of the work can be undone with a savepoint.
 *
 * What it does through other connections, files or HTTP is not part of the transaction.
 */
public fun interface TransactionHandler<A, R> {
    /** Works one job and returns its result; null for a job without one. */
    @Throws(Exception::class)
    public fun handle(connection: Connection, args: A, job: JobAttempt): R
}
