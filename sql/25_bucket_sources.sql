-- Of the words of a query, those that are relations over bucket datasets and this profile's (null: the steward's): where the
-- rows are, and what the analytic engine must make of them: the columns with their redactions, the row filter's tree and
-- whether there are tombstones. For the steward alone: a reader is told neither files nor filters.
create or replace function lakeward.bucket_sources(profile text, words text[])
returns table (
  name text, dataset_id bigint, bucket text, location text, format text, delta_version bigint, partition_columns text[],
  arrow_schema bytea, row_key text, columns jsonb, stored jsonb, filter_tree jsonb, has_tombstones boolean
)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select r.name, d.id, b.bucket, b.location, b.format, b.delta_version, b.partition_columns, b.arrow_schema, d.row_key,
    (
      select jsonb_agg(jsonb_build_object(
        'name', c.name, 'base_type', c.base_type,
        'type', case when raw.everything then c.base_type else c.type end,
        'action', case when not raw.everything then c.action end,
        'keep_prefix', coalesce(c.prefix, 0), 'keep_suffix', coalesce(c.suffix, 0)
      ) order by c.ordinal)
      from lakeward.plan_columns(
        r.id, coalesce(a.clearance, 'restricted'), coalesce(a.default_action, 'null'), a.keep_prefix, a.keep_suffix
      ) c
      where c.shown or raw.everything
    ),
    (
      select jsonb_agg(jsonb_build_object('name', c.name, 'type', c.type) order by c.position)
      from lakeward.dataset_column c where c.dataset_id = d.id
    ),
    v.filter_tree,
    exists (select from lakeward.tombstone t where t.dataset_id = d.id and t.undone_at is null)
  from lakeward.relation r
  left join lakeward.safe_view_base v on v.view_id = r.id
  join lakeward.dataset d on d.id = coalesce(v.base_id, r.id)
  join lakeward.bucket_dataset b on b.dataset_id = d.id
  left join lakeward.profile p on p.id = bucket_sources.profile
  left join lakeward.access_role a on a.name = p.access_role
  cross join lateral (select bucket_sources.profile is null and r.kind = 'dataset' as everything) raw
  where r.name = any(bucket_sources.words)
    and (bucket_sources.profile is null or exists (
      select from lakeward.binding g where g.profile_id = bucket_sources.profile and g.relation_id = r.id
    ))
  order by r.name
$$;
