-- The body of the trigger function that journals a dataset's rows, and the settings it needs (lakeward.install_journal).
-- It is written for the dataset's own columns, so that plpgsql keeps its plans, and puts updates straight into this
-- month's partition: a row update must cost little more than the update (tests/benchmarks/journal.py). In other months,
-- and for very wide tables, the generic statement at its end does the same. The function runs as whoever writes the row,
-- the owner or a superuser: nobody else can. So it can ask whether that is the owner's own code, which may say that what
-- it does is on record by an entry of its own; a trigger's WHEN could ask too, at 12 microseconds a statement.
create or replace function lakeward.journal_rows_sql(dataset_id bigint, out body text, out settings text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $make$
declare
  wide constant integer := 40;
  insertion constant text := ' (kind, dataset, entity, field, old, new, actor, profile, model, source, workspace, request_id)';
  by_person constant text := 'session_user, reader, null, ''sql'', null, null';
  by_app constant text := $app$coalesce(said ->> 'principal', ''), nullif(said ->> 'profile', ''),
          nullif(said ->> 'model', ''), coalesce(nullif(said ->> 'source', ''), 'service'), said ->> 'workspace',
          nullif(said ->> 'request_id', '')$app$;
  month timestamptz := date_trunc('month', clock_timestamp(), 'UTC');
  part text := to_char(month at time zone 'UTC', '"journal"_YYYY_MM');
  target record;
  old_key text := 'null';
  new_key text := 'null';
  row_key text := 'null';
  rekey text := '';
  said text;
  by_sql text;
  straight text := '';
  owner text := lakeward.role_of('owner');
  service text := lakeward.role_of('service');
begin
  select d.name, d.id, c.oid as home, k.attname as key, format_type(k.atttypid, null) as key_type,
    (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  into strict target
  from lakeward.dataset d
  join pg_class c on c.oid = to_regclass(format('lake.%I', d.name))
  left join pg_attribute k on k.attrelid = c.oid and k.attname = d.row_key and not k.attisdropped
  where d.id = dataset_id;

  settings := '';
  if target.key is not null then
    old_key := format('old.%I::text', target.key);
    new_key := format('new.%I::text', target.key);
    row_key := format('r.%I::text', target.key);
    -- a key is one text, whatever the session that changes the row has set
    settings := case target.key_type
      when 'date' then 'set datestyle = ''ISO, YMD'''
      when 'timestamp without time zone' then 'set datestyle = ''ISO, YMD'''
      when 'timestamp with time zone' then 'set datestyle = ''ISO, YMD'' set timezone = ''UTC'''
      when 'double precision' then 'set extra_float_digits = 1'
      when 'bytea' then 'set bytea_output = ''hex'''
      else ''
    end;
    -- last, so that whatever comes later under the old key is another row's
    rekey := format($code$
    if old.%1$I is distinct from new.%1$I then
      insert into lakeward.journal%2$s
      select 'rekey', %3$L, k.entity, %1$L, to_jsonb(%4$s), to_jsonb(%5$s), who.*
      from lakeward.acting() who, unnest(array[%4$s, %5$s]) k (entity);
    end if;$code$, target.key, insertion, target.name, old_key, new_key);
  end if;

  if target.columns <= wide and to_regclass('record.' || part) is not null then
    select string_agg(c.code, '' order by c.attnum) filter (where c.app),
      string_agg(c.code, '' order by c.attnum) filter (where not c.app)
    into said, by_sql
    from (
      select a.attnum, by.app, format($code$
        if old.%1$I is distinct from new.%1$I then
          insert into record.%2$I%3$s
          values ('update', %4$L, %5$s, %1$L, to_jsonb(old.%1$I), to_jsonb(new.%1$I), %6$s);
        end if;$code$, a.attname, part, insertion, target.name, old_key, by.who) as code
      from pg_attribute a
      cross join (values (true, by_app), (false, by_person)) by (app, who)
      where a.attrelid = target.home and a.attnum > 0 and not a.attisdropped and a.attname is distinct from target.key
    ) c;
    straight := format($code$-- "at" is read a moment later, and must still be in this month
    if clock_timestamp() between to_timestamp(%1$s) and to_timestamp(%2$s) then
      if session_user = %3$L then
        said := coalesce(nullif(current_setting('lakeward.actor', true), ''), '{}')::jsonb;%4$s
      else
        if current_setting('role') not in ('none', %5$L) then
          reader := (select p.id from lakeward.profile p where p.role_name = current_setting('role'));
        end if;%6$s
      end if;
    else$code$, extract(epoch from month), extract(epoch from (month at time zone 'UTC' + interval '1 month') at time zone 'UTC') - 60,
      service, said, owner, by_sql);
  end if;

  body := format($code$
declare
  said jsonb;
  reader text;
begin
  if current_setting('lakeward.journal_rows', true) = 'off' and current_user = %1$L and session_user <> %1$L
    and (session_user = %2$L or current_setting('role') <> %1$L)
  then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    %3$s
      insert into lakeward.journal%5$s
      select 'update', %6$L, %7$s, o.key, nullif(o.value, 'null'), nullif(n.value, 'null'), who.*
      from lakeward.acting() who, jsonb_each(to_jsonb(old)) o
      join jsonb_each(to_jsonb(new)) n on n.key = o.key
      where o.value is distinct from n.value and o.key is distinct from %8$L;
    %4$s%10$s
  elsif tg_op = 'INSERT' then
    insert into lakeward.journal%5$s
    select 'insert', %6$L, %9$s, null, null, to_jsonb(r.*), who.* from lakeward.acting() who, new_rows r;
  elsif tg_op = 'DELETE' then
    insert into lakeward.journal%5$s
    select 'delete', %6$L, %9$s, null, to_jsonb(r.*), null, who.* from lakeward.acting() who, old_rows r;
  else
    insert into lakeward.journal%5$s
    select 'delete', %6$L, %9$s, null, to_jsonb(r.*), null, who.* from lakeward.acting() who, lake.%6$I r;
  end if;
  return null;
end $code$, owner, service, straight, case when straight <> '' then 'end if;' end, insertion, target.name, old_key,
    target.key, row_key, rekey);
end $make$;
