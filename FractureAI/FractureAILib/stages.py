"""The four stages of a reading, as they pass."""

from slicer.i18n import tr as _

STAGES = ("read", "localize", "crop", "classify")


def stage_title(stage: str) -> str:
    """Return what happens in a stage, in a word or two."""
    return {
        "read": _("open images"),
        "localize": _("find landmarks"),
        "crop": _("cut out"),
        "classify": _("classify"),
    }[stage]


def stages_text(current: str | None) -> str:
    """Return the stages in one line, told apart by shape: done ``✓``, now ``●`` (bold), to come ``○``.

    Args:
        current: the stage that runs; None: none has begun.
    """
    now = STAGES.index(current) if current in STAGES else -1
    parts = []
    for number, stage in enumerate(STAGES):
        title = stage_title(stage)
        if number < now:
            parts.append(f"✓ {title}")
        elif number == now:
            parts.append(f"<b>● {title}</b>")
        else:
            parts.append(f"○ {title}")
    return " &nbsp; ".join(part.replace(" ", "&nbsp;") if "<" not in part else part for part in parts)


def stage_number(stage: str | None) -> int:
    """Return how many stages have begun, for a progress bar."""
    return STAGES.index(stage) + 1 if stage in STAGES else 0
