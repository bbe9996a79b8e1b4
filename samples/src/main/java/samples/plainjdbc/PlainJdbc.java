package samples.plainjdbc;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import javax.sql.DataSource;
import kittiwake.java.JobHandle;
import kittiwake.java.JobQueue;
import kittiwake.java.Jobs;
import kittiwake.java.Outcomes;
import kittiwake.java.Retry;
import kittiwake.job.JobType;
import kittiwake.worker.RunningWorker;
import org.postgresql.ds.PGSimpleDataSource;

/** An order and the job that confirms it, in one JDBC transaction. Give it a JDBC URL, or it starts a server. */
public final class PlainJdbc {
    record ConfirmArgs(long orderId, String customer) {}

    record Receipt(String text, int attempts) {}

    static final JobType<ConfirmArgs, Receipt> CONFIRM = Jobs.define("orders.confirm", ConfirmArgs.class, Receipt.class)
            .queue("mails")
            .timeout(Duration.ofSeconds(30))
            .retry(Retry.exponential(Duration.ofMillis(50)).jittered().limit(5).onlyFor(IOException.class))
            .unique(ConfirmArgs::orderId)
            .build();

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) {
            PGSimpleDataSource database = new PGSimpleDataSource();
            database.setURL(arguments[0]);
            System.out.println(run(database));
        } else {
            try (EmbeddedPostgres server = EmbeddedPostgres.start()) {
                System.out.println(run(server.getPostgresDatabase()));
            }
        }
    }

    @SuppressWarnings("try") // The worker works by being open.
    static String run(DataSource database) throws Exception {
        try (JobQueue queue = JobQueue.connect(database, "plain_jdbc");
                RunningWorker worker = start(queue);
                Connection connection = database.getConnection()) {
            JobHandle<Receipt> confirmation = order(queue, connection, "Ana");
            Receipt receipt = queue.await(confirmation.id(), Duration.ofSeconds(30)).orElseThrow().result(CONFIRM);
            return receipt.text() + ", at attempt " + receipt.attempts();
        }
    }

    /** Either both rows are there after the commit, the order's and the job's, or neither is. */
    static JobHandle<Receipt> order(JobQueue queue, Connection connection, String customer) throws SQLException {
        connection.setAutoCommit(false);
        try (var statement = connection.createStatement()) {
            statement.execute("create table if not exists orders (id serial, customer text)");
        }
        try (var insert = connection.prepareStatement("insert into orders (customer) values (?) returning id")) {
            insert.setString(1, customer);
            try (var row = insert.executeQuery()) {
                row.next();
                var confirmation = queue.enqueue(connection, CONFIRM, new ConfirmArgs(row.getLong(1), customer));
                connection.commit();
                return confirmation;
            }
        }
    }

    static RunningWorker start(JobQueue queue) throws SQLException {
        queue.migrate();
        return queue.worker("mails-1")
                .queue("mails", 4)
                .handle(CONFIRM, (args, job) -> {
                    if (job.attempt() == 1) throw new IOException("the mail server hung up"); // tried again
                    return Outcomes.done(new Receipt("Order confirmed to " + args.customer(), job.attempt()));
                })
                .start();
    }
}
