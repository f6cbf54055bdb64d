"""The journal of changes (append-only, sealed, verifiable) and the audit of reads."""
