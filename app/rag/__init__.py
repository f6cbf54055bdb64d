"""Questions answered from rows: retrieval under a profile, then a model, with citations that are checked."""
