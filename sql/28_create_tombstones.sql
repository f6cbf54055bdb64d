-- Tombstones rows by their keys, in the caller's transaction: each row moves out of lake into its tombstone's image, its
-- chunks go by the triggers that watch the table, the journal gets one entry a key. A key with a tombstone is `already`, one
-- without a row `missing` (the first 100 are listed). Keys are compared as the row key's type, doubles count once.
create or replace function lakeward.create_tombstones(
  dataset text, row_key_column text, keys text[], reason text,
  out tombstoned bigint, out already bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home record;
  who record;
  secret lakeward.secret;
begin
  select * into strict home from lakeward.lock_keys(dataset, row_key_column, keys);
  select * into strict who from lakeward.acting();
  select s.* into strict secret from lakeward.secret s;
  perform set_config('lakeward.journal_rows', 'off', true);
  execute format(
    $sql$
    with wanted as (
      select w.key, w.key::text as text, sha256($1 || sha256($2 || convert_to(w.key::text, 'UTF8'))) as hash
      from (select distinct k::%2$s as key from unnest($3) k) w
    ),
    gone as (delete from lake.%1$I d using wanted w where d.%3$I = w.key returning w.text, w.hash, to_jsonb(d.*) as image),
    buried as (
      insert into lakeward.tombstone (
        dataset_id, row_key_column, key_value, key_hash, image, reason, actor, profile, request_id
      )
      select $4, %3$L, g.text, g.hash, g.image, $5, $6, $7, $8 from gone g
      returning key_value
    ),
    told as (
      insert into lakeward.journal (kind, dataset, entity, new, actor, profile, model, source, workspace, request_id)
      select 'tombstone', %1$L, b.key_value, jsonb_build_object('reason', $5), $6, $7, $9, $10, $11, $8 from buried b
    ),
    others as (
      select w.text, t.id is not null as known
      from wanted w
      left join lakeward.tombstone t on t.dataset_id = $4 and t.key_hash = w.hash and t.undone_at is null
      where not exists (select from gone g where g.hash = w.hash)
    )
    select (select count(*) from buried), count(*) filter (where o.known), count(*) filter (where not o.known),
      coalesce((array_agg(o.text order by o.text) filter (where not o.known))[:100], '{}')
    from others o
    $sql$, dataset, home.key_type, home.row_key
  )
  into tombstoned, already, missing, missing_keys
  using secret.hmac_outer, secret.hmac_inner, keys, home.dataset_id, coalesce(reason, ''), who.actor, who.profile,
    who.request_id, who.model, who.source, who.workspace;
  perform set_config('lakeward.journal_rows', '', true);
  if tombstoned > 0 then
    update lakeward.dataset d set row_count = d.row_count - tombstoned, version = d.version + 1, updated_at = now()
    where d.id = home.dataset_id;
  end if;
end $$;
