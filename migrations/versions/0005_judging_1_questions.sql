-- Eval sets follow an index to another model, and a vector says nothing under a model that did not make it. So it remembers
-- the one that did, as `<name> (<version>, <provider>)`; null: that is not known, and its length has to do.
alter table lakeward.eval_query add column model text;

-- until now a set with vectors stayed with the version whose model made them
update lakeward.eval_query q set model = i.model_name || ' (' || i.model_version || ', ' || i.provider || ')'
from lakeward.eval_set e
join lakeward.vector_index i on i.id = e.index_id
where e.id = q.eval_id and q.vector is not null;
