package samples.guide

import kittiwake.job.After
import kittiwake.job.Failure
import kittiwake.job.GiveUp
import kittiwake.job.RetryPolicy
import kittiwake.job.except
import kittiwake.job.exponential
import kittiwake.job.fixed
import kittiwake.job.jittered
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.job.linear
import kittiwake.job.onlyFor
import kittiwake.job.retry
import kittiwake.job.then
import kotlinx.serialization.Serializable
import java.io.FileNotFoundException
import java.io.IOException
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@Serializable
data class ThumbnailArgs(val imageId: Long, val width: Int)

@Serializable
data class Thumbnail(val path: String, val bytes: Long)

/** With a result: it is stored when the job is completed. */
val thumbnail = job<ThumbnailArgs, Thumbnail>("images.thumbnail") {
    queue = "images"
    priority = 10
    maxAttempts = 5
    timeout = 2.minutes
    unique { "${it.imageId}/${it.width}" }
    retain(completed = 1.days, failed = 90.days)
}

@Serializable
data class MailArgs(val to: String, val subject: String)

/** Without a result, with its handler in the declaration. */
val mail = job<MailArgs>("mail.send") {
    queue = "mail"
    retry = exponential(5.seconds, max = 10.minutes).jittered().limit(8)
    handle { args -> println("Mail to ${args.to}: ${args.subject}") }
}

/** Policies are values. The number in `limit` counts all attempts, the first one included. */
object Policies {
    val patient: RetryPolicy = exponential(2.seconds, max = 10.minutes).jittered().limit(8)
    val steady: RetryPolicy = linear(10.seconds, max = 2.minutes).limit(10)
    val picky: RetryPolicy = fixed(30.seconds).limit(5).onlyFor<IOException>().except<FileNotFoundException>()
    val staged: RetryPolicy = fixed(1.seconds).limit(3) then exponential(1.minutes).limit(5)
    val own: RetryPolicy = retry { failure: Failure ->
        if (failure.cause is TooManyRequests) After(1.minutes) else GiveUp("not worth a second try")
    }
}

/** What a remote service says when it has had enough of us. */
class TooManyRequests : RuntimeException("too many requests")
