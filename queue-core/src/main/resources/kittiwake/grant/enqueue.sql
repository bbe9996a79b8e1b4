-- What a role needs to enqueue: in its own transactions, with submit(), and with the function enqueue(). It cannot read
-- what jobs are about: no args, no results, no errors.
grant usage on schema {schema} to {role};
grant select (version, hash) on {schema}.migration to {role};
grant usage on sequence {schema}.job_id_seq to {role};
grant insert on {schema}.job, {schema}.ready, {schema}.scheduled to {role};
-- By name and unique key the job is found that is there already; the rest is what its ticket is made of.
grant select (id, name, unique_key, queue, priority, run_at, expected_at) on {schema}.job to {role};
grant execute on function
    {schema}.is_name(text),
    {schema}.is_metadata(text),
    {schema}.rank(timestamptz),
    {schema}.sleep_key(text),
    {schema}.wake(text),
    {schema}.take_offer(text, bigint, boolean),
    {schema}.hand_over(text, bigint, boolean),
    {schema}.enqueue(text, text, text, int, timestamptz, timestamptz, text, int, text)
    to {role};
