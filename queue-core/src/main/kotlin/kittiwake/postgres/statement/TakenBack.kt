package kittiwake.postgres.statement

// What every statement does that takes jobs out of their leases to run again, those in "back": their rows are changed. So
// it finds out who ends one of them at this moment ("complete job", "cancel job"). Index: job_pkey.
// language=PostgreSQL
internal const val TAKEN_BACK = """
taken_back as (
    update {schema}.job
    set taken_back = taken_back + 1
    where id = any(array(select job_id from back))
)"""
