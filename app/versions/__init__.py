"""Versions of an index: another model without a pause, behind a gate, and back."""
