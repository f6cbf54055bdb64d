"""The one door to Postgres: the server, the pool, scopes, named SQL, migrations, checks."""
