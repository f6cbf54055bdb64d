"""Buckets: named object stores, their health, their objects, and what went wrong with them."""
