"""The command `fractureai`: one small file a command, nothing heavy until a command runs."""

from fractureai.cli.app import main

__all__ = ["main"]
