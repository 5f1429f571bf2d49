"""What the user can mend."""

from __future__ import annotations


class HostError(RuntimeError):
    """The host can not run here, or can not run this module; the text is one sentence that says what to do."""
