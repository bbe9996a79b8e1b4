package samples.plainjdbc;

import javax.sql.DataSource;
import kittiwake.java.JobQueue;
import kittiwake.java.Jobs;
import kittiwake.java.WorkerDefinition;
import kittiwake.job.JobType;
import samples.plainjdbc.PlainJdbc.ConfirmArgs;

/** Books each order once, whatever crashes: the row, the next job and the end of this one are one commit. */
final class PlainLedger {
    record BookArgs(long orderId, long cents) {}

    static final JobType<BookArgs, Void> BOOK = Jobs.define("orders.book", BookArgs.class).build();

    static WorkerDefinition worker(JobQueue queue, DataSource pool) {
        return queue.worker("ledger-1")
                .queue("orders.book", 4)
                .handleInTransaction(BOOK, pool, (connection, args, job) -> {
                    try (var insert = connection.prepareStatement("insert into ledger values (?, ?)")) {
                        insert.setLong(1, args.orderId());
                        insert.setLong(2, args.cents());
                        insert.executeUpdate();
                    }
                    queue.enqueue(connection, PlainJdbc.CONFIRM, new ConfirmArgs(args.orderId(), "Ana"));
                    return null;
                });
    }

    private PlainLedger() {}
}
