package kittiwake.postgres.statement

// How every statement ends that takes jobs out of their leases to run again, those in "back": their rows are changed, for
// a handler's transaction that ends one of them at this moment to find out ("complete job"). Index: job_pkey.
// language=PostgreSQL
internal const val TAKEN_BACK = """
taken_back as (
    update {schema}.job
    set taken_back = taken_back + 1
    where id = any(array(select job_id from back))
)"""
