-- Every grant on Lakeward's own objects, last, in one file. Rights of single profiles follow rows (sql/30_on_*.sql).
do $$
declare
  gate text := lakeward.role_of('gate');
  steward text := lakeward.role_of('steward');
  service text := lakeward.role_of('service');
begin
  revoke all on all functions in schema lakeward from public;
  revoke all on all functions in schema jobs from public;
  grant usage on schema lakeward, vec to public; -- and on the extension's schema, which bootstrap sees to
  execute format('grant usage on schema lake to %I, %I', gate, steward);
  -- it owns the safe views in lake and the views of hits in vec
  execute format('grant create on schema lake, vec to %I', gate);

  -- row security leaves each reader its own part of these
  grant select on lakeward.deployment, lakeward.relation, lakeward.dataset, lakeward.dataset_column, lakeward.profile,
    lakeward.binding, lakeward.vector_index, lakeward.index_variant, lakeward.access_role, lakeward.safe_view,
    lakeward.shown_column, lakeward.index_reader to public;
  execute format(
    'grant select on lakeward.api_key, lakeward.job, lakeward.dataset_file, lakeward.rejected_row, '
    'lakeward.safe_view_base, lakeward.tombstone, lakeward.erasure, lakeward.journal, lakeward.journal_seal, '
    'lakeward.audit_entry, lakeward.bucket_dataset, lakeward.storage_error, lakeward.profile_bucket, lakeward.cache_pin, '
    'lakeward.eval_set, lakeward.eval_query, lakeward.eval_truth, lakeward.trial, lakeward.model_adapter, '
    'lakeward.index_gate to %I', steward
  );
  -- shown_column and index_reader are written by triggers; tombstones, journal and audit by their functions
  execute format(
    'grant insert, update, delete on lakeward.relation, lakeward.dataset, lakeward.dataset_column, lakeward.profile, '
    'lakeward.binding, lakeward.api_key, lakeward.job, lakeward.vector_index, lakeward.index_variant, '
    'lakeward.access_role, lakeward.safe_view, lakeward.safe_view_base, lakeward.erasure, '
    'lakeward.bucket_dataset, lakeward.profile_bucket, lakeward.cache_pin, lakeward.eval_set, lakeward.eval_query, '
    'lakeward.model_adapter to %I', steward
  );
  -- appended to, by whoever meets the error; keep_record keeps it
  execute format('grant insert on lakeward.storage_error to %I', steward);
  execute format('grant select on lakeward.secret to %I', gate);
  grant select on lakeward.tombstone_entry to public;
  -- it decides itself who may
  grant execute on function lakeward.tombstone(text, text[], text), lakeward.may_tombstone(text) to public;
  execute format(
    'grant execute on function lakeward.create_tombstones(text, text, text[], text), '
    'lakeward.undo_tombstones(text, text, text[]), lakeward.lock_keys(text, text, text[]), '
    'lakeward.key_hash(text, text), lakeward.spell_key(text, text) to %I', steward
  );

  execute format(
    'grant execute on function lakeward.role_of(text), lakeward.defer_job(text, text, jsonb, text, text, text), '
    'lakeward.install_readers(bigint), lakeward.attach_dataset(bigint, text), lakeward.create_dataset_table(bigint), '
    'lakeward.ensure_row_key(bigint, text), lakeward.close_login(text), lakeward.drop_login(text), lakeward.end_readers(regclass), '
    'lakeward.drop_idle_triggers(), '
    'lakeward.end_idle_logins(interval, interval), lakeward.column_type(text), '
    'lakeward.filter_sql(jsonb), lakeward.filter_literal(text, text), lakeward.redacted_type(text, text), '
    'lakeward.redaction_sql(text, text, text, integer, integer), lakeward.sensitivity_level(text), '
    'lakeward.plan_columns(bigint, text, text, integer, integer), lakeward.find_base(bigint), '
    'lakeward.projection_sql(bigint, text, text, integer, integer), lakeward.count_seen(bigint, bigint), '
    'lakeward.bucket_sources(text, text[]), lakeward.tombstone_keys(bigint, text, text[], text), '
    'lakeward.undo_tombstone_keys(bigint, text, text[]) to %I', steward
  );
  execute format('grant execute on function lakeward.find_key(text), lakeward.get_deployment() to %I', service);

  execute format(
    'grant execute on function lakeward.append_journal(text, text, text, text, jsonb, jsonb) to %I', steward
  );
  -- views and functions of the caller's own part: what a profile sees of the journal
  grant select on lakeward.journal_entry to public;
  grant execute on function lakeward.history(text, text), lakeward.recent_entries(text, text, xid8, bigint, integer),
    lakeward.sees_row(text, text, text, text, text) to public;
  -- everybody may record what it does, under its own name (0004 has the list of what is open to all)
  grant execute on function lakeward.append_audit(
    text, text, text[], text, bigint, text[], double precision, text
  ) to public;
  -- SQL for power users: all of it runs with the caller's own rights
  grant execute on function lakeward.whoami(), lakeward.search(text, real [], integer),
    lakeward.similar(text, text, integer), lakeward.search_route(text),
    lakeward.find_hits(text, real [], bigint [], integer), lakeward.session_is(text), lakeward.gate_of(bigint),
    lakeward.record_read(bigint, bigint), lakeward.match_words(bigint, text, integer),
    lakeward.keep_question(bigint, text, integer),
    lakeward.pending_rows(text) to public;

  -- the queue is the service's own; no reader has a right there
  execute format('grant usage on schema jobs to %I', service);
  execute format('grant select, insert, update, delete on all tables in schema jobs to %I', service);
  execute format('grant usage on all sequences in schema jobs to %I', service);
  execute format('grant execute on all functions in schema jobs to %I', service);
end $$;
