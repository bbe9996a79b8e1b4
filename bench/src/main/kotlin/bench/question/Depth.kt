package bench.question

import bench.Backlog
import bench.Bench
import bench.Cost
import bench.Question
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareBites
import bench.middleAndEdge
import bench.worker.WorkerProcess

/** Whether it matters how much lies in the tables. */
internal object Depth : Question {
    override val name = "depth"
    override val asks =
        "how fast are jobs claimed and done while few and while many more are waiting? At each depth 20 times " +
            "10,000, each time by a worker that was just started, and as many as it did are stored in between; " +
            "and 500,000 in one go, after 2,000,000 unmeasured ones"

    override val bars = listOf("jobs/s", "claim p50 ms")

    /**
     * [count] times so many [jobs], after [unmeasured] such pieces, which the worker or bare SQL begins when it has done
     * [WARM_UP] jobs [warmUps] times.
     */
    private class Pieces(val name: String, val jobs: Int, val count: Int, val unmeasured: Int, val warmUps: Int)

    /** What is there beside the jobs of a bite: a worker claims ahead, and should find enough at each depth. */
    private class Heap(val waiting: Int, val scheduled: Int = 0, val archived: Int = 0) {
        override fun toString(): String = listOf(waiting to "waiting", scheduled to "scheduled", archived to "archived")
            .filter { it.first > 0 }
            .joinToString { (jobs, where) -> "%,d $where".format(jobs) }
    }

    /** [done] are all that were completed: a worker that is stopped has begun more than it was asked for. */
    private class Bite(val cost: Cost, val done: Int, val claimMillis: List<Double> = emptyList())

    /** Who does the work. */
    private interface Biter : AutoCloseable {
        fun warmUp(jobs: Int)

        /** Does [jobs] of those that wait, and perhaps some more. */
        fun bite(jobs: Int): Bite
    }

    override fun ways(bench: Bench): List<Way> {
        val waiting = listOf(Heap(FEW), Heap(MILLION), Heap(10 * MILLION))
        val others = listOf(Heap(FEW, scheduled = MILLION), Heap(FEW, archived = 10 * MILLION))
        val ends = listOf(Heap(FEW), Heap(10 * MILLION))
        return worker(bench, BITES, waiting + others) + bare(bench, BITES, waiting) +
            worker(bench, IN_ONE_GO, ends) + bare(bench, IN_ONE_GO, ends)
    }

    private fun worker(bench: Bench, pieces: Pieces, heaps: List<Heap>) = comparedWithFirst(heaps) { heap, few ->
        Way("one worker, ${pieces.name}", "$heap", "${Tuning.TUNED}", few) {
            measure(bench, it, heap, pieces, workerProcess(bench))
        }
    }

    private fun bare(bench: Bench, pieces: Pieces, heaps: List<Heap>) = comparedWithFirst(heaps) { heap, few ->
        Way("bare SQL, ${pieces.name}", "$heap", "batch 500", few, isBare = true) {
            measure(bench, it, heap, pieces, bareBites(bench))
        }
    }

    private fun comparedWithFirst(heaps: List<Heap>, way: (Heap, Way?) -> Way): List<Way> {
        val few = way(heaps.first(), null)
        return listOf(few) + heaps.drop(1).map { way(it, few) }
    }

    private fun workerProcess(bench: Bench): Biter {
        val worker = WorkerProcess.start(Tuning.TUNED.settings(bench), bench.options)
        return object : Biter, AutoCloseable by worker {
            override fun warmUp(jobs: Int) = worker.warmUp(jobs)

            override fun bite(jobs: Int): Bite = worker.bite(jobs).let { Bite(it.cost, it.completions, it.claimMillis) }
        }
    }

    private fun bareBites(bench: Bench): Biter {
        val bare = BareBites(bench.server)
        return object : Biter, AutoCloseable by bare {
            override fun warmUp(jobs: Int) {
                bare.bite(jobs)
            }

            override fun bite(jobs: Int): Bite = Bite(bare.bite(jobs), jobs)
        }
    }

    private fun measure(bench: Bench, tables: Tables, heap: Heap, pieces: Pieces, biter: Biter): Sample = biter.use {
        val backlog = Backlog(bench.server)
        val stored = heap.waiting + pieces.jobs

        fun bites(count: Int) = List(count) {
            biter.bite(pieces.jobs).also {
                check(it.done < stored) { "All $stored jobs were done: there were too few to claim ahead" }
                backlog.wait(it.done)
            }
        }
        repeat(pieces.warmUps) {
            backlog.wait(WARM_UP)
            biter.warmUp(WARM_UP)
            tables.forgetArchive()
        }
        backlog.archive(heap.archived)
        backlog.schedule(heap.scheduled)
        backlog.wait(stored)
        bench.server.settle()
        bites(pieces.unmeasured)
        val bites = bites(pieces.count)
        val left = bench.server.ask("select count(*) from $SCHEMA.job").toInt()
        val expected = stored + heap.scheduled
        check(left == expected) { "$left jobs are left, but $expected should be" }
        sample(bites, pieces.jobs * pieces.count)
    }

    private fun sample(bites: List<Bite>, jobs: Int): Sample {
        val cost = bites.map { it.cost }.reduce(Cost::plus)
        val claims = bites.flatMap { it.claimMillis }.sorted()
        return Sample(mapOf("jobs/s" to jobs / cost.seconds) + claims.middleAndEdge("claim") + cost.perJob(jobs))
    }

    private const val FEW = 10_000
    private const val MILLION = 1_000_000
    private const val WARM_UP = 400_000
    private val BITES = Pieces("10,000 at a time", jobs = 10_000, count = 20, unmeasured = 5, warmUps = 1)
    private val IN_ONE_GO = Pieces("500,000 in one go", jobs = 500_000, count = 1, unmeasured = 0, warmUps = 5)
}
