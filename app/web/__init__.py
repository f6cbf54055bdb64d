"""What every route shares: identity, problem documents, paging, strict parameters, health. Knows no capability."""
