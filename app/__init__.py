"""Lakeward: a governed lakehouse for AI agents and local models, on PostgreSQL."""

__version__ = "0.1.0"
