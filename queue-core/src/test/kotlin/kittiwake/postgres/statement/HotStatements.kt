package kittiwake.postgres.statement

import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema

/** The statements that every job or every heartbeat pays for, by the names in their comments. */
internal fun hotStatements(schema: Schema): Map<String, NamedSql> {
    val owners =
        listOf(
            InsertJobs(schema),
            InsertPlainJob(schema),
            InsertLikeJobs(schema),
            InsertOneJob(schema),
            InsertAnyJobs(schema),
            ClaimJobs(schema, Retention.Default),
            TakeTickets(schema),
            ReadJobs(schema, Retention.Default),
            TakeUp(schema, Retention.Default),
            MakeOffers(schema),
            LookForJobs(schema),
            AnnounceSuspect(schema),
            EndJobs(schema, Retention.Default),
            ForgetJobs(schema),
            CompleteJob(schema, Retention.Default),
            ReturnJobs(schema),
            PromoteJobs(schema),
            GiveBack(schema),
            RescueJobs(schema, Retention.Default, crashLimit = 3),
            Beat(schema),
            FindJob(schema),
            CancelJob(schema, Retention.Default),
        )
    return owners
        .flatMap { owner ->
            owner.javaClass.declaredFields.filter { it.type == NamedSql::class.java }.map { owner to it }
        }.map { (owner, field) -> field.apply { isAccessible = true }.get(owner) as NamedSql }
        .associateBy { it.text.substringAfterLast("/* kittiwake: ").substringBefore(" */") }
}
