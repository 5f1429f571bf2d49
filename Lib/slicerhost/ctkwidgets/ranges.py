"""Ranges: two values on one slider."""
