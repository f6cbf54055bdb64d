-- A copy of an index's vectors may be kept in Lance, beside the home, for profiles that search by it. What is asked for is
-- decided here all the same. `lance` says which state of the copy counts: {"token", "previous", "measured"}.
alter table lakeward.vector_index add column lance jsonb;
alter table lakeward.profile drop constraint profile_vector_backend_check;
alter table lakeward.profile add constraint profile_vector_backend_check check (vector_backend in ('pgvector', 'lance'));
