"""Background work: deferred with what asks for it, resumed after a crash, watched while it runs."""
