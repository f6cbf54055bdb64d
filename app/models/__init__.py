"""Model providers: what turns texts into vectors, here or on a server that the settings name."""
