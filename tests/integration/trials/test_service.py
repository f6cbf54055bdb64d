"""Eval sets, what is refused, the best, the picture, autotune, and what readers are told."""

from tests.integration.api.conftest import api

__all__ = ["api"]
