@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.work.Deed
import chaos.work.DeedArgs
import chaos.work.Deeds
import kittiwake.KittiwakeSpi

/** Who enqueues a job hands it over, and issues a ticket for it all the same. */
val handOverWithATicket = PlantedBug("hands a job over and leaves it in its queue, too", check = "K3") { isPlanted ->
    val generous =
        Mutation("insert plain job", "where not exists (select from handed_over)", "where exists (select from stored)")
    for (name in listOf("worker-1", "worker-2")) worker(name) { db, journal -> Deeds(db, journal).bind(this) }
    val producer = MiniatureProducer(this, MutatingDataSource(plain, listOfNotNull(generous.takeIf { isPlanted })))
    repeat(20) { producer.offer(Deed.SLOW, listOf(DeedArgs(business = 0, millis = 200))) }
}
