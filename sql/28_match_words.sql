-- The chunks of an index that have one of the query's words, those first that have more of them and more often. GIN is of no
-- use below a row policy, since @@ is not leakproof; so the owner looks, tells who searches no more than chunk numbers, and
-- what these are worth. The caller's own view of hits and the texts' policy decide what of it is shown. Only for the service's
-- sessions: a person's own would try out words without a record.
-- The words are joined by or: joined by and, 93 questions of the NPL collection had nDCG@10 .04 instead of .36.
create or replace function lakeward.match_words(index_id bigint, query text, depth integer)
returns table (chunk_id bigint, rank real)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  texts text;
  words tsquery;
begin
  if session_user <> lakeward.role_of('service') or not (
    current_setting('role') = lakeward.role_of('steward') or exists (
      select from lakeward.index_reader x
      where x.index_id = match_words.index_id and x.role_name = current_setting('role')
    )
  ) then
    raise insufficient_privilege using message = 'words are searched by POST /vectors/search with mode text or hybrid';
  end if;
  select i.table_name || '_text' into strict texts from lakeward.vector_index i where i.id = match_words.index_id;
  select string_agg(quote_literal(w.lexeme), ' | ')::tsquery into words
  from unnest(tsvector_to_array(to_tsvector('pg_catalog.english', query))) w (lexeme);
  if words is null then
    return;
  end if;
  return query execute format(
    'select t.chunk_id, ts_rank(t.words, $1) from vec.%I t where t.words @@ $1 order by 2 desc, 1 limit $2', texts
  ) using words, depth;
end $$;
