-- A binding that carries another role than its profile's.
-- Why: policies compare the binding's role with current_user, so the binding would be another reader's.
select format('binding of %s to relation %s', b.profile_id, b.relation_id) as object,
  format('it says %s, the profile is %s', b.role_name, p.role_name) as detail
from lakeward.binding b
join lakeward.profile p on p.id = b.profile_id
where b.role_name <> p.role_name
