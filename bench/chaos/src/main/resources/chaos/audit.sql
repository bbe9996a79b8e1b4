-- What the server itself saw of every job and every worker: rows of transactions that rolled back are not among it.
create schema if not exists chaos;

create table chaos.change (
    seq           bigint generated always as identity primary key,
    at            timestamptz not null default clock_timestamp(),
    xid           xid8 not null default pg_current_xact_id(),
    -- What a claim could see.
    snapshot      pg_snapshot,
    job_id        bigint not null,
    kind          text not null,
    attempt       int not null default 0,
    lease         bigint,
    worker        uuid,
    name          text,
    parent_id     bigint,
    unique_key    text,
    max_attempts  int not null default 0,
    run_at        timestamptz
);

create index change_claim_idx on chaos.change (job_id, seq) where kind = 'CLAIMED';

create table chaos.life (
    seq        bigint generated always as identity primary key,
    at         timestamptz not null default clock_timestamp(),
    worker     uuid not null,
    kind       text not null,
    last_seen  timestamptz not null
);

-- Which leases a statement took jobs out of.
create table chaos.lease_change (
    xid     xid8 not null default pg_current_xact_id(),
    lease   bigint not null,
    worker  uuid not null,
    job_id  bigint not null
);

create index lease_change_idx on chaos.lease_change (xid, job_id);

-- The name that every statement of the library begins with.
create function chaos.verb() returns text
    language sql volatile
    return coalesce(substring(current_query() from '/\* kittiwake: ([a-z ]+) \*/'), 'other');

create function chaos.job_came() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.change (job_id, kind, name, parent_id, unique_key, max_attempts, run_at)
    values (new.id, 'ENQUEUED', new.name, new.parent_id, new.unique_key, new.max_attempts, new.run_at);
    return null;
end
$$;

create trigger chaos_job_came after insert on {schema}.job
    for each row execute function chaos.job_came();

create function chaos.lease_came() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.change (job_id, kind, attempt, lease, worker, snapshot)
    select entry.job_id, 'CLAIMED', entry.attempt, new.id, new.worker_id,
           current_setting('chaos.snapshot')::pg_snapshot
    from unnest(new.job_ids, new.attempts) as entry (job_id, attempt);
    return null;
end
$$;

-- The condition is evaluated with the snapshot of the statement; in the function there is a newer one.
create trigger chaos_lease_came after insert on {schema}.lease
    for each row when (set_config('chaos.snapshot', pg_current_snapshot()::text, true) is not null)
    execute function chaos.lease_came();

create function chaos.lease_went() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.lease_change (lease, worker, job_id)
    select old.id, old.worker_id, job_id
    from unnest(old.job_ids) as job_id
    where tg_op = 'DELETE' or job_id <> all(new.job_ids);
    return null;
end
$$;

create trigger chaos_lease_went after update or delete on {schema}.lease
    for each row execute function chaos.lease_went();

-- A ticket that comes back to ready or scheduled: what brought it tells what happened.
create function chaos.ticket_came() returns trigger language plpgsql security definer as $$
declare
    verb text := chaos.verb();
    claimed int;
begin
    select attempt into claimed from chaos.change where job_id = new.job_id and kind = 'CLAIMED' order by seq desc limit 1;
    if verb = 'return jobs' then
        insert into chaos.change (job_id, kind, attempt)
        values (new.job_id, case when new.attempt = claimed then 'FAILED' else 'PUT_BACK' end, new.attempt);
    elsif verb = 'give back' then
        insert into chaos.change (job_id, kind, attempt) values (new.job_id, 'PUT_BACK', new.attempt);
    elsif verb = 'rescue jobs' then
        -- Who had left had not started it.
        insert into chaos.change (job_id, kind, attempt)
        values (new.job_id, case when new.attempt = claimed then 'RESCUED' else 'PUT_BACK' end, new.attempt);
    end if;
    return null;
end
$$;

create trigger chaos_ticket_came after insert on {schema}.ready
    for each row execute function chaos.ticket_came();

create trigger chaos_ticket_came after insert on {schema}.scheduled
    for each row execute function chaos.ticket_came();

create function chaos.job_ended() returns trigger language plpgsql security definer as $$
begin
    insert into chaos.change (job_id, kind, attempt, worker)
    values (new.id, upper(new.ending), new.attempt, new.worker_id);
    return null;
end
$$;

create trigger chaos_job_ended after insert on {schema}.archive
    for each row execute function chaos.job_ended();

create function chaos.worker_changed() returns trigger language plpgsql security definer as $$
begin
    if tg_op = 'INSERT' then
        insert into chaos.life (worker, kind, last_seen) values (new.id, 'JOINED', new.seen_at);
    elsif old.ended_at is null and new.ended_at is not null then
        insert into chaos.life (worker, kind, last_seen)
        values (new.id, case chaos.verb() when 'rescue jobs' then 'GIVEN_UP' else 'LEFT' end, old.seen_at);
    elsif new.seen_at <> old.seen_at then
        insert into chaos.life (worker, kind, last_seen) values (new.id, 'BEAT', old.seen_at);
    end if;
    return null;
end
$$;

create trigger chaos_worker_changed after insert or update on {schema}.worker
    for each row execute function chaos.worker_changed();

-- The application's own tables. No constraint of theirs may hide what went wrong.
create table chaos.business (id bigint not null, jobs int not null);
create table chaos.effect (job bigint not null, attempt int not null, lease bigint not null, what text not null);
create table chaos.account (id int primary key, balance bigint not null);
insert into chaos.account select id, 1000 from generate_series(1, {accounts}) as id;
