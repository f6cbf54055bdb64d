"""Background work: deferred with the change that asks for it, run once, resumed after a crash, watched while it runs."""
