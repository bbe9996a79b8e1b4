package chaos.work

import chaos.audit.Audit
import kotlin.random.Random

/** What a producer offers next, by its seed: mostly what should go well, some of everything else. */
class Offers(private val random: Random, private val firstBusiness: Long, private val poisonAfter: Int) {
    private var nextBusiness = firstBusiness

    /** Some jobs for one transaction, together with one business row. */
    class Offer(val deed: Deed, val args: List<DeedArgs>, val isRolledBack: Boolean) {
        val business: Long get() = args.first().business
    }

    fun next(): Offer {
        val deed = deed()
        val business = nextBusiness++
        val isSingle = deed == Deed.KEYED || deed == Deed.POISON || deed == Deed.UNREADABLE
        val jobs = if (isSingle || random.nextInt(10) > 0) 1 else random.nextInt(2, 12)
        return Offer(deed, List(jobs) { args(deed, business) }, isRolledBack = random.nextInt(10) == 0)
    }

    private fun deed(): Deed {
        val roll = random.nextInt(WEIGHTS.values.sum())
        var sum = 0
        val deed = WEIGHTS.entries.first { (_, weight) -> roll < weight.also { sum += it }.let { sum } }.key
        // One for each producer, and none before there is a calm to measure.
        return if (nextBusiness - firstBusiness == poisonAfter.toLong()) Deed.POISON else deed
    }

    private fun args(deed: Deed, business: Long): DeedArgs = when (deed) {
        Deed.BANK -> (1..Audit.ACCOUNTS).shuffled(random).let { DeedArgs(business, from = it[0], to = it[1]) }
        Deed.CHAIN -> DeedArgs(business, depth = random.nextInt(3))
        Deed.KEYED -> DeedArgs(business, millis = random.nextLong(300), key = "k${random.nextInt(8)}")
        Deed.FAILING -> DeedArgs(business, failures = random.nextInt(1, 4))
        Deed.SLOW -> DeedArgs(business, millis = random.nextLong(1_000, 4_000))
        Deed.STUBBORN -> DeedArgs(business, millis = random.nextLong(100, 3_000))
        Deed.ABUSIVE -> DeedArgs(business, failures = random.nextInt(0, 3), abuse = Abuse.entries.random(random))
        else -> DeedArgs(business, millis = random.nextLong(50))
    }

    private companion object {
        val WEIGHTS =
            mapOf(
                Deed.BANK to 40, Deed.EXTERNAL to 30, Deed.CHAIN to 4, Deed.KEYED to 10, Deed.FAILING to 6,
                Deed.SLOW to 5, Deed.LATE to 1, Deed.SNOOZING to 4, Deed.STUBBORN to 1,
                Deed.UNREADABLE to 2, Deed.UNKNOWN to 1, Deed.ABUSIVE to 4,
            )
    }
}
