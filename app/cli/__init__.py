"""The command line: thin, and quick to answer, so a command imports what it runs when it runs."""
