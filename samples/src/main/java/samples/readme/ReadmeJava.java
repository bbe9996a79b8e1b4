package samples.readme;

import java.sql.Connection;
import java.time.Duration;
import kittiwake.java.JobQueue;
import kittiwake.java.Jobs;
import kittiwake.java.Outcomes;
import kittiwake.java.StoredJob;
import kittiwake.job.JobType;
import kittiwake.worker.RunningWorker;

/** The Java program of the README. */
public final class ReadmeJava {
    record ResizeArgs(long uploadId, int width) {}

    static final JobType<ResizeArgs, Void> RESIZE = Jobs.define("images", ResizeArgs.class).build();

    private ReadmeJava() {}

    /** Enqueues in the transaction of {@code connection}, commits it, and waits until the job has ended. */
    public static StoredJob uploadAndResize(JobQueue queue, Connection connection) throws Exception {
        RunningWorker worker = queue.worker("images-1").queue("images", 4).handle(RESIZE, (args, job) -> {
            System.out.println("Upload " + args.uploadId() + ", " + args.width() + " pixels wide");
            return Outcomes.done();
        }).start();
        connection.setAutoCommit(false);
        var job = queue.enqueue(connection, RESIZE, new ResizeArgs(7, 640));
        connection.commit();
        var ended = queue.await(job.id(), Duration.ofSeconds(30)).orElseThrow();
        worker.close();
        return ended;
    }
}
