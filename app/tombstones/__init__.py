"""Tombstones: rows that are deleted everywhere at once, may come back, and can be erased for good with a receipt."""
