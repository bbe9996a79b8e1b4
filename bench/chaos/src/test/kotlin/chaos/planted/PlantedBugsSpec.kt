package chaos.planted

import chaos.check.Violation
import chaos.check.checks
import chaos.history.History
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** The checks are worth what they catch: each bug is found by the check that is named for it. */
class PlantedBugsSpec :
    FunSpec({
        val server = autoClose(EmbeddedPostgres.builder().setServerConfig("track_commit_timestamp", "on").start())
        var databases = 0

        suspend fun PlantedBug.play(isPlanted: Boolean, drain: Duration): History =
            Miniature(server, "miniature_${++databases}", pace).use {
                it.scenario(isPlanted)
                it.history(drain)
            }

        fun violations(history: History): List<Violation> = checks.flatMap { it.examine(history).violations }

        for (bug in plantedBugs) {
            context("a library that ${bug.does}") {
                test("is not this one") {
                    violations(bug.play(isPlanted = false, drain = 20.seconds)).shouldBeEmpty()
                }
                test("is caught by ${bug.check}") {
                    violations(bug.play(isPlanted = true, drain = 4.seconds)).map { it.check } shouldContain bug.check
                }
            }
        }
    })
