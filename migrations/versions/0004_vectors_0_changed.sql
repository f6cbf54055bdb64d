-- Functions that answer other columns than before: sql/ makes them anew, and `create or replace` cannot.
drop function if exists lakeward.search_route(text);
