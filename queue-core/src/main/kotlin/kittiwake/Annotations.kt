package kittiwake

/**
 * Marks what authors of job stores implement and call: the seam between the engine and its database.
 *
 * It changes between minor versions. Prove a store with the published `jobStoreContract`.
 */
@RequiresOptIn(
    level = RequiresOptIn.Level.ERROR,
    message = "For authors of job stores only. It changes between minor versions; prove yours with jobStoreContract.",
)
@Retention(AnnotationRetention.BINARY)
public annotation class KittiwakeSpi

/** Keeps the receivers of Kittiwake's builders from leaking into each other's blocks. */
@DslMarker
@Retention(AnnotationRetention.BINARY)
public annotation class KittiwakeDsl
