-- A binding whose view is not there.
-- Why: the catalog says that the profile may read the relation, and the database disagrees. A dataset without columns
-- has not been loaded yet and has nothing to view.
select format('%I.%I', p.schema_name, r.name) as object,
  format('profile %s is bound to it, but has no view of it', p.id) as detail
from lakeward.binding b
join lakeward.profile p on p.id = b.profile_id
join lakeward.relation r on r.id = b.relation_id
where to_regclass(format('%I.%I', p.schema_name, r.name)) is null
  and exists (select from lakeward.shown_column s where s.binding_id = b.id)
  -- of rows in files the analytic engine makes the view, for each query
  and not exists (select from lakeward.bucket_dataset f where f.dataset_id = b.base_id)
