"""Vector indexes over relations: chunks, embeddings, activation and search."""
