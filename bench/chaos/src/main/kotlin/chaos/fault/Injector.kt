package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultPlan
import chaos.plan.Injected
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import kotlin.time.Clock

/** Does to a [Site] what a plan says, and takes everything back in the end. */
class Injector(site: Site) {
    private val harms: List<Harm> =
        listOf(NetworkHarm(site), ProcessHarm(site), ServerHarm(site), SessionHarm(site), StatementHarm(site))

    /**
     * Runs [plan] from now on and returns when its last fault is taken back. A fault that cannot be done is in the
     * result with a note that says why, and does not disturb the others. [told] hears of each fault when it is over.
     */
    suspend fun run(plan: FaultPlan, told: (Injected) -> Unit = {}): List<Injected> = withContext(Dispatchers.IO) {
        try {
            harms.forEach { it.prepare() }
            coroutineScope {
                plan.faults
                    .map { fault ->
                        async {
                            delay(fault.after)
                            inflict(fault).also(told)
                        }
                    }.awaitAll()
            }
        } finally {
            withContext(NonCancellable) { heal() }
        }
    }

    /** Nothing of any fault is left. It may be called at any time, and more than once. */
    fun heal() {
        val failures = harms.mapNotNull { runCatching(it::heal).exceptionOrNull() }
        failures.firstOrNull()?.let { first ->
            failures.drop(1).forEach(first::addSuppressed)
            throw first
        }
    }

    private suspend fun inflict(fault: Fault): Injected {
        val from = Clock.System.now()
        val struck =
            try {
                harms.first { fault.kind in it.kinds }.inflict(fault)
            } catch (e: Exception) {
                currentCoroutineContext().ensureActive()
                Struck(0, "could not be done: $e")
            }
        return Injected(fault, from, until = Clock.System.now(), struck.strikes, struck.note)
    }
}
