"""The command `fractureai`: one small file a command, nothing heavy until a command runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see `fractureai.cli.app.main`. In the light installation, say what to install for it."""
    try:
        from fractureai.cli import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print("The command line needs more libraries; run: pip install 'fractureai[read]'.", file=sys.stderr)
        return 2
    return app.main(arguments)
