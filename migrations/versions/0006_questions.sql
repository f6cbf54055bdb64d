-- Figures compare when the same was asked, and a name may be another set's by now. So a measurement remembers its set's version, which
-- changes whenever a question comes or goes (app/trials/queries.sql). Null: measured before, and nobody knows.
alter table lakeward.trial add column eval_version text;
