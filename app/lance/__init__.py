"""Copies of indexes' vectors in Lance: chunk ids and vectors, nothing else. What may be seen is decided in Postgres."""
