"""Trials: eval sets, measured HNSW configs, and the cheapest one that reaches a recall."""
