"""Bucket datasets: Delta tables in a bucket, of which Postgres says the version that counts."""
