"""Ingest: files become typed record batches, and record batches become datasets."""
