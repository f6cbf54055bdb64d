"""Readers: each profile is a Postgres role and a schema that holds exactly what it may read."""
