-- A literal of a row filter's tree as SQL text, or an error when its text is not what its type writes.
-- The input functions of Postgres take more than the other engine does ('today', 'infinity', 'epoch', ' 5 ', '1e3'), and
-- some of it means another value tomorrow; so each type has one spelling here, the one that app/views/filter_literals.py gives.
create or replace function lakeward.filter_literal(type text, value text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  spelling text := case type
    when 'boolean' then '^(true|false)$'
    when 'bigint' then '^-?[0-9]{1,19}$'
    when 'numeric' then '^-?[0-9]{1,38}(\.[0-9]{1,38})?$'
    when 'double precision' then '^-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?$'
    when 'date' then '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
    when 'time' then '^[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}$'
    when 'timestamp' then '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}$'
    when 'timestamptz' then '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00$'
    when 'text' then ''
  end;
begin
  if spelling is null or value is null or value !~ spelling then
    raise invalid_parameter_value using message = format('a row filter has no literal %L of type %L', value, type);
  end if;
  return format('%L::%s', value, type);
end $$;
