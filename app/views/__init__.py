"""Safe views: what they show of a dataset, checked once here and compiled by each engine.

`filter` turns the text of a row filter into a checked tree, `redaction` checks what becomes of a column. Postgres
compiles both itself (`lakeward.filter_sql`, `lakeward.redaction_sql`), `datafusion` does it for the analytic
engine; a test holds the two to the same rows.
"""
