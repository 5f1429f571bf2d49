"""A reading in words and figures: the decision first, no probability without its threshold and its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slicer.i18n import tr as _

LEAST_DECIMALS = 2
MOST_DECIMALS = 4


@dataclass(frozen=True)
class Line:
    """The figures of one view, or of all views together.

    Attributes:
        label: what was read, for example ``PA``.
        probability, threshold: 0..1.
        interval: lower and upper bound of the 95 % interval, or None when the reading has none.
        meaning: what the interval is over, and what it is not.
        together: whether this is the mean of several views.
        decimals: of every figure of the reading; see `enough_decimals`.
    """

    label: str
    probability: float
    threshold: float
    interval: tuple[float, float] | None
    meaning: str = ""
    together: bool = False
    decimals: int = LEAST_DECIMALS

    @property
    def positive(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold

    def number(self, value: float) -> str:
        """Return a figure of this line with its decimals."""
        return f"{value:.{self.decimals}f}"

    @property
    def interval_figures(self) -> str:
        """The interval, for example ``0.79-0.93``; a dash when there is none."""
        if self.interval is None:
            return "–"
        return f"{self.number(self.interval[0])}-{self.number(self.interval[1])}"

    @property
    def decision(self) -> str:
        """``likely`` or ``unlikely``."""
        return _("likely") if self.positive else _("unlikely")


def enough_decimals(figures: Sequence[Line]) -> int:
    """Return how many decimals figures need.

    So many that a value below its threshold does not look equal to it (up to four), and that an interval does not look
    empty (up to three).
    """
    for decimals in range(LEAST_DECIMALS, MOST_DECIMALS):
        clear = all(
            one.probability == one.threshold or _differ(one.probability, one.threshold, decimals) for one in figures
        )
        wide = all(one.interval is None or _differ(*one.interval, decimals) for one in figures)
        if clear and (wide or decimals > LEAST_DECIMALS):
            return decimals
    return MOST_DECIMALS


def _differ(first: float, second: float, decimals: int) -> bool:
    return round(first, decimals) != round(second, decimals)


def lines(reading: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return the figures of each view, and last those of all views where there are several."""
    views = reading["views"]
    names = [view["view"] for view in views]
    result = []
    for number, view in enumerate(views):
        several = names.count(view["view"]) > 1
        label = f"{view['view']} {1 + names[:number].count(view['view'])}" if several else view["view"]
        result.append(_line(label, view))
    ensemble = reading["ensemble"]
    if len(views) > 1 and ensemble["probability"] is not None:
        result.append(_line(_("Both") if len(views) == 2 else _("All"), ensemble, together=True))
    decimals = enough_decimals(result)
    return tuple(replace(line, decimals=decimals) for line in result)


def _line(label: str, figures: Mapping[str, Any], *, together: bool = False) -> Line:
    interval = figures.get("interval")
    return Line(
        label,
        float(figures["probability"]),
        float(figures["threshold"]),
        (float(interval[0]), float(interval[1])) if interval else None,
        str(figures.get("interval_text", "")),
        together,
    )


def is_sure(reading: Mapping[str, Any]) -> bool:
    """Whether the model stands by its reading."""
    return not reading["refer"] and reading["ensemble"]["probability"] is not None


def is_negative(reading: Mapping[str, Any]) -> bool:
    """Whether nothing was found; also when the model is not sure of that."""
    return reading["decision"] != "positive"


def headline(reading: Mapping[str, Any]) -> str:
    """Return the first words: the decision, or that a person should read without the model."""
    return str(reading["decision_text"]) if is_sure(reading) else _("Not sure: please read without me")


def figures(line: Line) -> str:
    """Return a probability with what it has to be seen with: ``0.87   (threshold 0.50, 95 % CI 0.79-0.93)``."""
    if line.interval is None:
        text = _("{probability}   (threshold {threshold}, no interval stored)")
    else:
        text = _("{probability}   (threshold {threshold}, 95 % CI {interval})")
    return text.format(
        probability=line.number(line.probability),
        threshold=line.number(line.threshold),
        interval=line.interval_figures,
    )


def first_line(reading: Mapping[str, Any]) -> str:
    """Return the one line that stands for a reading."""
    if not is_sure(reading):
        return headline(reading)
    return f"{headline(reading)}   {figures(lines(reading)[-1])}"


def withheld(reading: Mapping[str, Any]) -> str:
    """Return what the model would have said had it been sure; "" when it is sure, or read nothing."""
    if is_sure(reading) or reading["ensemble"]["probability"] is None:
        return ""
    return _("Without these doubts it would say: {decision}, {figures}").format(
        decision=reading["decision_text"], figures=figures(lines(reading)[-1])
    )


def trust(reading: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how far a reading can be trusted, a sentence each; () where the model was never calibrated."""
    found = reading.get("reliability")
    if not found:
        return ()
    percent = round(100 * found["coverage"])
    if found["uncertainty"] > found["uncertainty_limit"]:
        text = _("Uncertainty {value}: above {limit}, the limit for answering {percent} of 100 studies.")
    elif percent == 100:
        text = _("Uncertainty {value}; the model is to answer all studies.")
    else:
        text = _("Uncertainty {value}: below {limit}, the limit for answering {percent} of 100 studies.")
    figures = {"value": found["uncertainty"], "limit": found["uncertainty_limit"]}
    decimals = 2 if round(figures["value"], 2) != round(figures["limit"], 2) else MOST_DECIMALS
    shown = {name: f"{value:.{decimals}f}" for name, value in figures.items()}
    return (
        _("Calibrated probability {value}").format(value=f"{found['calibrated_probability']:.2f}")
        + f" ({possible(found['conformal'])}).",
        text.format(percent=percent, **shown),
    )


def possible(classes: Sequence[str]) -> str:
    """Return which answers a calibrated model can not rule out, in words."""
    if not classes:
        return _("unusual: typical of neither answer")
    if len(classes) > 1:
        return _("undecided: {classes} are both possible").format(classes=_(" and ").join(classes))
    return _("only {name} is likely").format(name=classes[0])


def trust_meaning() -> str:
    """Return what the figures of `trust` mean, for people who wonder."""
    return _(
        "Calibrated: of 100 studies with this value, so many had the finding among those the model was calibrated on. "
        "The decision is made on the probability above, not on this one.\nUncertainty: how far networks, views and "
        "crops differ, how close the threshold is and how unlike the training images this one is, taken together. "
        "How many studies the model is to answer is chosen in the settings; above the limit it leaves the study to you."
    )


def interval_meaning(line: Line) -> str:
    """Return what an interval means, for people who wonder."""
    if line.interval is None:
        return _("This reading was stored without an interval.")
    what = line.meaning or _("How steady the model is, not how often it is right.")
    return _(
        "{what}.\nThe probability is the mean of several computations: by several networks, and on several crops of "
        "the same image. The interval shows how far that mean moves when they are drawn anew. The threshold alone "
        "makes the decision, and a narrow interval does not mean that the model is right."
    ).format(what=what[:1].upper() + what[1:].rstrip("."))


def threshold_meaning(line: Line) -> str:
    """Return what a threshold means."""
    return _(
        "From {threshold} on, the model calls this positive. The threshold was chosen when the model was made; it need "
        "not be one half, and each view has its own."
    ).format(threshold=line.number(line.threshold))


def reasons(reading: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a person should read without the model, and which files were not read; each one sentence, once."""
    texts = [str(reason["text"]) for reason in reading["reasons"]] + [str(text) for text in reading["problems"]]
    return tuple(dict.fromkeys(texts))


def notice(reading: Mapping[str, Any]) -> str:
    """Return what has to stand beside everything this model says."""
    return str(reading["notice"] or reading["not_a_medical_device"])


def summary(reading: Mapping[str, Any]) -> str:
    """Return a reading in a few words, for a list of readings."""
    if not is_sure(reading):
        return _("not sure")
    line = lines(reading)[-1]
    return f"{headline(reading)} {line.number(line.probability)} / {line.number(line.threshold)}"
