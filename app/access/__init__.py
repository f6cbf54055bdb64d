"""Who may call: API keys, of which only the SHA-256 is kept."""
