package bench

/** Who does jobs and is compared with others. Closed when all of them are done. */
internal interface Contender : AutoCloseable {
    /** After how many jobs its code is compiled as it stays. */
    val warmUp: Int

    /** Does jobs of these [numbers]. To store them first is not measured. */
    fun bite(numbers: IntRange): Cost
}
