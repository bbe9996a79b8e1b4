package kittiwake.java;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import javax.sql.DataSource;
import kittiwake.job.JobType;
import kittiwake.job.Outcome;
import kittiwake.worker.RunningWorker;

/** Everything that Java can say through the door, compiled with all of javac's warnings as errors. */
public final class JavaApi {
    public record ResizeArgs(long imageId, List<Integer> widths, String note) {
        public ResizeArgs(long imageId) {
            this(imageId, List.of(320, 1280), null);
        }
    }

    public record RenderArgs(long imageId, String script) {}

    public record RenderResult(List<String> keys, long bytes) {}

    public static final JobType<ResizeArgs, Void> RESIZE = Jobs.define("java.resize", ResizeArgs.class)
            .queue("images")
            .priority(5)
            .timeout(Duration.ofMinutes(2))
            .retry(Retry.exponential(Duration.ofSeconds(2)).jittered().limit(8).onlyFor(IOException.class))
            .unique(ResizeArgs::imageId)
            .retain(Duration.ofDays(1), Duration.ofDays(2))
            .build();

    /** Its script says how it goes. */
    public static final JobType<RenderArgs, RenderResult> RENDER =
            Jobs.define("java.render", RenderArgs.class, RenderResult.class)
                    .queue("images")
                    .retry(Retry.fixed(Duration.ofMillis(5)).onlyFor(IOException.class))
                    .maxAttempts(3)
                    .build();

    public static final JobType<RenderArgs, RenderResult> OWN_MAPPER = Jobs.define(
                    "java.own",
                    JacksonCodec.of(new JsonMapper(), RenderArgs.class),
                    JacksonCodec.of(RenderResult.class))
            .build();

    public static final JobType<RenderArgs, Void> OWN_MAPPER_WITHOUT_RESULT =
            Jobs.define("java.own.void", JacksonCodec.of(RenderArgs.class)).build();

    private JavaApi() {}

    @SuppressWarnings("serial")
    static final class RateLimited extends Exception {
        Duration pause() {
            return Duration.ofMinutes(1);
        }
    }

    static List<Retry> policies() {
        Duration second = Duration.ofSeconds(1);
        Duration minute = Duration.ofMinutes(1);
        return List.of(
                Retry.never(),
                Retry.fixed(second).limit(3).then(Retry.exponential(minute).limit(5)),
                Retry.linear(second).except(IllegalStateException.class, IllegalArgumentException.class),
                Retry.linear(second, minute).jittered(0.5),
                Retry.exponential(second, minute),
                Retry.exponential(second, minute, 1.5),
                Retry.by((cause, attempt) ->
                        cause instanceof RateLimited r ? Retry.after(r.pause()) : Retry.giveUp("not worth it")));
    }

    static JobHandle<Void> enqueueAndSayEverything(JobQueue queue, Connection connection) throws SQLException {
        return queue.enqueue(connection, RESIZE, new ResizeArgs(7), job -> job
                .delay(Duration.ofHours(1))
                .priority(-3)
                .expectedAt(Instant.now())
                .queue("slow images")
                .uniqueKey("image seven")
                .parent(4711)
                .metadata("tenant", "ana"));
    }

    static List<JobHandle<Void>> enqueueMany(JobQueue queue, Connection connection) throws SQLException {
        List<ResizeArgs> all = List.of(new ResizeArgs(1), new ResizeArgs(2), new ResizeArgs(1));
        queue.enqueueAll(connection, RESIZE, List.of(new ResizeArgs(1)));
        return queue.enqueueAll(connection, RESIZE, all, (args, job) -> job.metadata("image", "" + args.imageId()));
    }

    static List<JobHandle<Void>> submitEveryWay(JobQueue queue) throws SQLException {
        Instant inAMinute = Instant.now().plusSeconds(60);
        JobHandle<Void> plain = queue.submit(RESIZE, new ResizeArgs(1));
        JobHandle<Void> later = queue.submit(RESIZE, new ResizeArgs(2), job -> job.runAt(inAMinute));
        List<JobHandle<Void>> bulk = queue.submitAll(RESIZE, List.of(new ResizeArgs(3)));
        List<JobHandle<Void>> ranked =
                queue.submitAll(RESIZE, List.of(new ResizeArgs(4)), (args, job) -> job.priority((int) args.imageId()));
        return List.of(plain, later, bulk.get(0), ranked.get(0));
    }

    static RunningWorker workerOf(JobQueue queue, BlockingHandler<RenderArgs, RenderResult> render) {
        return workerOf(queue, render, notice -> {});
    }

    static RunningWorker workerOf(
            JobQueue queue, BlockingHandler<RenderArgs, RenderResult> render, Consumer<JobNotice> observer) {
        return queue.worker("java-1")
                .queue("images", 4)
                .queue("mails")
                .queue("clicks", 2, 10)
                .handle(RENDER, render)
                .handle(RESIZE, (args, job) -> Outcomes.done())
                .jobs()
                .lease(Duration.ofSeconds(2))
                .heartbeatEvery(Duration.ofMillis(100))
                .pollEvery(Duration.ofMillis(200))
                .rescueEvery(Duration.ofSeconds(1))
                .shutdownGrace(Duration.ofSeconds(20))
                .cancelGrace(Duration.ofSeconds(1))
                .observe(observer)
                .start();
    }

    static RunningWorker workerInTransactions(JobQueue queue, DataSource dataSource) {
        return queue.worker("java-2")
                .queue("images", 4)
                .handleInTransaction(RENDER, dataSource, (connection, args, job) -> {
                    insert(queue, connection, args.script() + " " + job.attempt());
                    queue.enqueue(connection, RESIZE, new ResizeArgs(args.imageId()));
                    if (args.script().equals("fail once") && job.attempt() == 1) throw new IOException("the disk is full");
                    return new RenderResult(List.of(args.script()), args.imageId());
                })
                .handleInTransaction(RESIZE, dataSource, (connection, args, job) -> {
                    insert(queue, connection, "resized " + args.imageId());
                    return null;
                })
                .start();
    }

    private static void insert(JobQueue queue, Connection connection, String effect) throws SQLException {
        String sql = "insert into " + queue.schema() + ".effect values (?)";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setString(1, effect);
            statement.executeUpdate();
        }
    }

    static Outcome<RenderResult> render(RenderArgs args, JobAttempt job) throws IOException {
        switch (args.script()) {
            case "fail once":
                if (job.attempt() == 1) throw new IOException("the disk is full");
                break;
            case "fail":
                throw new IOException(job.isLastAttempt() ? "for the last time" : "again");
            case "break":
                throw new IllegalStateException("no use in trying again");
            case "discard":
                return Outcomes.discard("nobody wants image " + args.imageId());
            case "forget":
                return null;
            default:
                break;
        }
        return Outcomes.done(new RenderResult(List.of(args.script() + "-" + job.name()), args.imageId()));
    }

    /** Says when it has begun, and goes on when it is let. */
    static final class Gate implements BlockingHandler<RenderArgs, RenderResult> {
        final CompletableFuture<JobAttempt> entered = new CompletableFuture<>();
        final CompletableFuture<Long> interrupted = new CompletableFuture<>();
        final CountDownLatch open = new CountDownLatch(1);

        @Override
        public Outcome<RenderResult> handle(RenderArgs args, JobAttempt job) throws InterruptedException {
            entered.complete(job);
            try {
                open.await();
            } catch (InterruptedException e) {
                interrupted.complete(job.id());
                throw e;
            }
            return Outcomes.done(new RenderResult(List.of(), 0));
        }
    }
}
