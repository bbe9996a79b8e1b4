package bench

import java.util.UUID

/** Great numbers of jobs, stored by the server itself: a minute for ten million. */
internal class Backlog(private val server: Server) {
    /** Waiting jobs numbered from [first], spread over [queues] queues, as many transactions would have stored them. */
    fun wait(jobs: Int, queues: Int = 1, archive: Boolean = true, first: Int = 0) {
        for (from in first until first + jobs step TRANSACTION) {
            val until = minOf(from + TRANSACTION, first + jobs)
            val queue = "'noop' || coalesce('-' || nullif(number % $queues, 0), '')"
            val keep = if (archive) "null" else "interval '0'"
            server.execute(
                """
                with stored as (
                    insert into $SCHEMA.job (name, queue, args, keep_completed, by_hand)
                    select 'noop', $queue, $ARGS, $keep, false
                    from generate_series($from, ${until - 1}) as number
                    returning id, queue
                )
                insert into $SCHEMA.ready (queue, lane, rank, job_id, attempt)
                select queue, 0, (select pg_current_xact_id()::text::bigint), id, 0
                from stored
                """,
            )
        }
    }

    /** Jobs of these [numbers] that [worker] holds, so many [together] in a lease. None of them is kept. */
    fun hold(numbers: IntRange, worker: UUID, together: Int) {
        server.execute(
            """
            with stored as (
                insert into $SCHEMA.job (name, queue, args, keep_completed, by_hand)
                select 'noop', 'noop', $ARGS, interval '0', false
                from generate_series(${numbers.first}, ${numbers.last}) as number
                returning id
            )
            insert into $SCHEMA.lease (id, worker_id, job_ids, attempts)
            select id / $together, '$worker', array_agg(id), array_agg(1)
            from stored
            group by id / $together
            """,
        )
    }

    /** Jobs that are put off until tomorrow. */
    fun schedule(jobs: Int) {
        server.execute(
            """
            with stored as (
                insert into $SCHEMA.job (name, queue, args, run_at, by_hand)
                select 'noop', 'noop', $ARGS, now() + interval '1 day' + number * interval '1 ms', false
                from generate_series(1, $jobs) as number
                returning id, queue, run_at
            )
            insert into $SCHEMA.scheduled (job_id, queue, run_at, priority, attempt)
            select id, queue, run_at, 0, 0
            from stored
            """,
        )
    }

    /** Jobs that are done, where those go that are done now. */
    fun archive(jobs: Int) {
        server.execute("select $SCHEMA.prepare_archive((now() + interval '7 days')::date)")
        server.execute("select $SCHEMA.prepare_archive((now() + interval '8 days')::date)")
        server.execute(
            """
            insert into $SCHEMA.archive (id, name, queue, priority, args, ending, attempt, max_attempts, worker_id, took,
                                         enqueued_at, ended_at, keep_until)
            select nextval('$SCHEMA.job_id_seq'), 'noop', 'noop', 0, $ARGS, 'completed', 1, 20,
                   '00000000-0000-0000-0000-000000000000', interval '1 ms', now(), now(), now() + interval '7 days'
            from generate_series(1, $jobs) as number
            """,
        )
    }

    private companion object {
        const val TRANSACTION = 100_000

        /** As the codec writes them. */
        val ARGS = noop(archive = true).args.encode(NoopArgs(0)).replace(":0,", ":' || number || ',").let { "'$it'" }
    }
}
