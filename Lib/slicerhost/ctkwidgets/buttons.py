"""Buttons of CTK."""
