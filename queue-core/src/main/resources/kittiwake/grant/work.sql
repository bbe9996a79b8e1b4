-- What a role needs to work, and for all that the library does but migrate(). It cannot change what a job is, nor what
-- has ended, nor the tables.
grant usage on schema {schema} to {role};
grant select (version, hash) on {schema}.migration to {role};
grant usage on sequence {schema}.job_id_seq to {role};
grant select on sequence {schema}.offer_number_seq to {role};
-- taken_back is counted up when a job is put back. To lock a row asks for the right to update one of its columns, too:
-- whoever may delete and insert tickets can change their attempt anyway.
grant select, insert, delete, update (taken_back) on {schema}.job to {role};
grant select, insert, delete, update (attempt) on {schema}.ready, {schema}.scheduled to {role};
grant select, insert, delete, update on {schema}.lease, {schema}.worker, {schema}.offer to {role};
grant select, insert, delete on {schema}.attempt to {role};
grant select, insert on {schema}.archive to {role};
grant select, update on {schema}.upkeep_turn to {role};
grant select on {schema}.jobs to {role};
grant execute on function
    {schema}.is_name(text),
    {schema}.is_metadata(text),
    {schema}.rank(timestamptz),
    {schema}.sleep_key(text),
    {schema}.oldest_offer(),
    {schema}.turn_key(text),
    {schema}.wake(text),
    {schema}.take_offer(text, bigint, boolean),
    {schema}.hand_over(text, bigint, boolean),
    {schema}.readable(text),
    {schema}.enqueue(text, text, text, int, timestamptz, timestamptz, text, int, text),
    {schema}.prepare_archive(date),
    {schema}.prune_archive(int)
    to {role};
