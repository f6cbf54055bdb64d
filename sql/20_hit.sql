-- What lakeward.search and lakeward.similar answer: as a hit of the API, with the method that found it.
do $$
begin
  if to_regtype('lakeward.hit') is null then
    create type lakeward.hit as (
      doc_key text, chunk_no integer, score double precision, distance double precision, text text, metadata jsonb, method text
    );
  end if;
end $$;
