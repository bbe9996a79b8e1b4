package kittiwake

/**
 * What Kittiwake throws beside [IllegalArgumentException] and [IllegalStateException], which mean misuse.
 *
 * The driver's exceptions pass through an enqueue untouched, for they belong to the caller's transaction, and never
 * leave a worker, whose loops handle them. A handler's exception never leaves the worker: it is recorded with the
 * attempt.
 */
public sealed class KittiwakeException(message: String, cause: Throwable? = null) : RuntimeException(message, cause)

/**
 * An enqueue needed an open, writable transaction of the right database and did not find one. Nothing was sent to the
 * server, or the [cause] is what the server said.
 */
public class NoTransactionException(message: String, cause: Throwable? = null) : KittiwakeException(message, cause)

/** Stored text is not what the codec of the job understands. The job is kept, its text unchanged. */
public class ArgsDecodingException(message: String, cause: Throwable?) : KittiwakeException(message, cause)

/**
 * A worker claimed a job whose name nobody bound a handler to. The job is kept and tried again later, perhaps
 * elsewhere.
 */
public class UnknownJobException(message: String) : KittiwakeException(message)

/**
 * The database has no Kittiwake schema, or one that this version does not know. The message names the command that
 * mends it.
 */
public class SchemaException(message: String) : KittiwakeException(message)
