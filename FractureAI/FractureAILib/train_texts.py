"""What the page Train says: plain sentences for what is missing, how far a training is, and how it ended."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from slicer.i18n import tr as _

from fractureai.dataset.summary import Obstacle, TrainingSummary

RUNNING_STATES = ("queued", "running")
STOPPED_STATES = ("failed", "cancelled", "interrupted")


def gap_text(kind: str, number: int) -> str:
    """Return what is missing and on how many radiographs; see `fractureai.dataset.summary.Gap`."""
    texts = {
        "file": _("{n} whose file is missing"),
        "unfinished": _("{n} not finished by anybody whose marks count"),
        "undecided": _("{n} finished by several people, without a consensus"),
        "view": _("{n} of an unknown view, or of one that is not read"),
        "landmarks": _("{n} without all landmarks"),
        "label": _("{n} without a label"),
        "uncertain": _("{n} labelled uncertain"),
        "split": _("{n} of patients who are in no split yet"),
    }
    return texts[kind].format(n=number)


def obstacle_text(obstacle: Obstacle) -> str:
    """Return why a training would fail, and what to do."""
    texts = {
        "nothing": _("Nothing can be trained on yet: finish radiographs with landmarks and a label first."),
        "patients": _("There are too few patients to set some aside for validation and test; add radiographs."),
        "empty_fold": _("View {view}: no radiograph is held out in fold {fold}. Choose fewer networks, or mark more."),
        "one_class": _("View {view}: the held-out radiographs are all of one class; mark some of the other."),
    }
    return texts[obstacle.kind].format(view=obstacle.view, fold=(obstacle.fold or 0) + 1)


def usable_text(summary: TrainingSummary) -> str:
    """Return the line at the head of the page."""
    return _("{usable} of {all} radiographs can train ({patients} patients)").format(
        usable=summary.usable, all=summary.radiographs, patients=summary.usable_patients
    )


def state_text(state: str) -> str:
    """Return a job's state in words."""
    texts = {
        "queued": _("waiting"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "interrupted": _("interrupted"),
    }
    return texts.get(state, state)


def ended_text(job: Mapping[str, Any]) -> str:
    """Return how a training ended, and what can be done."""
    error = str(job.get("error") or "")
    texts = {
        "cancelled": _("Cancelled. What was learned up to the last whole epoch is kept; Continue goes on from there."),
        "interrupted": _("The engine ended in the middle of this. Nothing is lost; Continue goes on from there."),
        "failed": _("It could not go on: {error}"),
        "done": _("Done. The model is in the list of models."),
    }
    return texts.get(str(job.get("state")), "").format(error=error or _("see Details."))


def duration(seconds: float) -> str:
    """Return a time in words, rounded as people say it."""
    if seconds < 55:
        return _("{n} s").format(n=max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds)))
    if seconds < 3600:
        return _("{n} min").format(n=round(seconds / 60))
    hours, minutes = divmod(round(seconds / 60), 60)
    return _("{hours} h {minutes:02d} min").format(hours=hours, minutes=minutes)


def plain(text: str) -> str:
    """Return what the engine calls a fit or a step in words that need no knowledge of its networks."""
    return text.replace("localizer", _("landmarks")).replace("classifier", _("fractures"))


def progress_text(job: Mapping[str, Any]) -> str:
    """Return what is going on and how long it may take."""
    if job.get("state") == "queued":
        return _("Waiting until the device is free ...")
    progress = job.get("progress") or {}
    text = plain(str(progress.get("text") or _("Starting ...")))
    left = progress.get("seconds_left")
    return text if left is None else _("{text} - about {time} left").format(text=text, time=duration(float(left)))


def numbers_text(job: Mapping[str, Any]) -> str:
    """Return loss and metric of the last epoch; "" outside a fit."""
    progress = job.get("progress") or {}
    parts = []
    for name, title in (("loss", _("loss")), ("validation_loss", _("validation loss"))):
        if progress.get(name) is not None:
            parts.append(f"{title} {float(progress[name]):.4g}")
    if progress.get("metric") is not None:
        parts.append(f"{progress.get('metric_name') or _('metric')} {float(progress['metric']):.3g}")
    return ", ".join(parts)


def device_text(device: Mapping[str, Any]) -> str:
    """Return a device with its free memory, for example ``CPU - 9.8 of 16 GB free``."""
    name = str(device.get("name") or device.get("id") or "?")
    free, total = device.get("free_bytes"), device.get("total_bytes")
    if not free or not total:
        return name
    return _("{name} - {free:.1f} of {total:.0f} GB free").format(name=name, free=free / 1e9, total=total / 1e9)


def when_text(iso: str) -> str:
    """Return a time of the server in the user's time zone, to the minute; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone()
    except ValueError:
        return iso
    same_day = moment.date() == datetime.now(timezone.utc).astimezone().date()
    return moment.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M")
