"""Datasets copied between Postgres and buckets: exported into files, materialized into tables."""
