"""Tables and figures from the readings of `uncertainty.py`, with the functions that reports are made with."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.risk_coverage import Order
from fractureai.evaluation.selective import (
    TITLES,
    Kept,
    SelectiveRow,
    SelectiveStratum,
    SelectiveTable,
    selective_stratum,
    separations,
)
from fractureai.reliability import COMBINED

Reading = Mapping[str, str]
Row = dict[str, Any]
BoolArray = npt.NDArray[np.bool_]

PUBLISHED = "variance"
GOAL_GAIN = 0.1
"""What referring a fifth of a hard stratum is to add to the sensitivity on the others."""


def judge(readings: Sequence[Reading], out: Path) -> dict[str, Any]:
    """Judge all scores; write tables and figures; return everything as JSON values."""
    from uncertainty_figures import draw

    read = [reading for reading in readings if reading["read"] == "1"]
    wrists, foreign = ([r for r in read if (r["set"] == "foreign") == wanted] for wanted in (False, True))
    tables = {name: table_of(chosen) for name, chosen in strata(wrists).items()}
    judged = {name: selective_stratum(table, name, name, PUBLISHED) for name, table in tables.items()}
    found = {
        "referring": [row for stratum in judged.values() for row in referring_rows(stratum)],
        "groups": group_rows(wrists),
        "foreign": foreign_rows(tables["general"], foreign, readings),
        "in_use": use_rows(readings),
        "decision": decision_rows(tables),
    }
    for name, rows in found.items():
        write_csv(out / f"{name}.csv", rows)
    draw(tables, out)
    counts = {name: {"n": s.n, "fractures": s.n_positive, "wrong": s.n_wrong} for name, s in judged.items()}
    return {"strata": counts, "goal": [goal(judged[name]) for name in ("hard, faint", "hard, occult")], **found}


def strata(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Divide the wrists. Hard normals stand in both hard strata: these differ in how their fractures look."""
    hard = [reading for reading in readings if reading["set"] == "hard"]
    return {
        "general": [reading for reading in readings if reading["set"] == "general"],
        "hard, faint": [reading for reading in hard if reading["severity"] != "occult"],
        "hard, occult": [reading for reading in hard if reading["severity"] != "faint"],
    }


def table_of(readings: Sequence[Reading], strata_names: Sequence[str] = ()) -> SelectiveTable:
    """Build the table that the product judges; strata default to the readings' own."""
    columns = {key: "uncertainty" if key == COMBINED else key for key in TITLES}
    scores = {key: numbers(readings, column) for key, column in columns.items()}
    return SelectiveTable(
        labels=np.array([reading["label"] == "fracture" for reading in readings], dtype=bool),
        probabilities=numbers(readings, "probability"),
        thresholds=numbers(readings, "threshold"),
        scores={key: values for key, values in scores.items() if not np.isnan(values).all()},
        strata=np.array(strata_names or [reading["set"] for reading in readings], dtype=str),
        patients=tuple(reading["patient"] for reading in readings),
        foreign={},
    )


def numbers(readings: Sequence[Reading], column: str) -> npt.NDArray[np.float64]:
    """Return a column as numbers, nan where empty."""
    return np.array([float(reading[column] or "nan") for reading in readings], dtype=float)


def referring_rows(stratum: SelectiveStratum) -> list[Row]:
    """One row a score: AURC, and what is right on the rest when a tenth and a fifth of the stratum are referred."""
    none = {f"{name}_0": value for name, value in stratum.none.items()}
    rows = []
    for row in stratum.rows:
        facts: Row = {"stratum": stratum.name, "n": stratum.n, "fractures": stratum.n_positive, "score": row.title}
        facts |= flat({"aurc": row.aurc, "aurc_minus_published": row.aurc_over_baseline, **none})
        for kept in row.kept:
            percent = round(100 * kept.referred)
            values = {name: value for name, value in vars(kept).items() if name != "referred"}
            facts |= flat({f"{name}_{percent}": value for name, value in values.items()})
        rows.append(facts)
    return rows


def group_rows(wrists: Sequence[Reading]) -> list[Row]:
    """One row a pair of groups and score: how well the score tells the first group from the second."""
    wrong = [(r["label"] == "fracture") != (r["called"] == "1") for r in wrists]
    general = [r["set"] == "general" for r in wrists]
    normal = [r["called"] == "0" for r in wrists]
    severity = [r["severity"] for r in wrists]
    seen = [name != "occult" for name in severity]
    pairs = {
        "hard against general (as published)": [(not g, g) for g in general],
        "faint fractures against general": [(s == "faint", g) for s, g in zip(severity, general, strict=True)],
        "occult fractures against hard normals": [
            (s == "occult", not s and not g) for s, g in zip(severity, general, strict=True)
        ],
        "wrong against right decisions, without occult": [
            (w and s, s and not w) for w, s in zip(wrong, seen, strict=True)
        ],
        "hard against general, called normal": [(n and not g, n and g) for n, g in zip(normal, general, strict=True)],
    }
    rows = []
    for name, members in pairs.items():
        chosen = [(r, "hard" if first else "general") for r, (first, second) in zip(wrists, members, strict=True)
                  if first or second]  # fmt: skip
        table = table_of([reading for reading, _ in chosen], [group for _, group in chosen])
        first = int((table.strata == "hard").sum())
        for found in separations(table, PUBLISHED):
            values = {"auroc": found.hard, "minus_published": found.hard_over_baseline}
            rows.append(
                {"groups": name, "n": first, "against": len(chosen) - first, "score": found.title, **flat(values)}
            )
    return rows


def foreign_rows(general: SelectiveTable, foreign: Sequence[Reading], readings: Sequence[Reading]) -> list[Row]:
    """One row a kind of foreign image and score: AUROC against general wrists, and the shares that were referred."""
    rows = []
    kinds = list(dict.fromkeys(reading["kind"] for reading in readings if reading["set"] == "foreign"))
    for kind in (*kinds, "all"):
        every = [r for r in readings if r["set"] == "foreign" and kind in (r["kind"], "all")]
        chosen = [r for r in foreign if kind in (r["kind"], "all")]
        facts: Row = {"kind": kind, "n": len(every), "not_read": len(every) - len(chosen)}
        facts["referred"] = share(every, lambda codes: bool(codes))
        facts["unlike_training"] = share(every, lambda codes: "unlike-training" in codes)
        if not chosen:
            rows.append({**facts, "score": ""})
            continue
        table = replace(general, foreign=table_of(chosen).scores)
        for found in separations(table, PUBLISHED):
            values = {"auroc": found.foreign, "minus_published": found.foreign_over_baseline}
            rows.append({**facts, "score": found.title, **flat(values)})
    return rows


def decision_rows(tables: Mapping[str, SelectiveTable]) -> list[Row]:
    """One row a stratum: what referring a fifth gains without a score (called normal first, at random), and at most."""
    rows = []
    for name, table in tables.items():
        called = table.probabilities >= table.thresholds
        row: Row = {"stratum": name}
        for title, first in (("called_normal_first", ~called), ("missed_first", table.labels & ~called)):
            kept = Order(first.astype(float)).kept(np.ones((len(called), 1), dtype=np.int64), 0.2)[:, 0]
            rest = kept[table.labels & called].sum() / kept[table.labels].sum()
            row[f"gain_{title}"] = float(rest - called[table.labels].mean())
        rows.append(row)
    return rows


def use_rows(readings: Sequence[Reading]) -> list[Row]:
    """One row a kind of wrist: what the bundle refers with the coverage it was made with, and how right the rest is."""
    rows = []
    for name, wanted, severity in (
        ("general", "general", None), ("hard, normal", "hard", ""), ("hard, faint", "hard", "faint"),
        ("hard, occult", "hard", "occult"),
    ):  # fmt: skip
        chosen = [r for r in readings if r["set"] == wanted and severity in (None, r["severity"])]
        rest = [reading for reading in chosen if not reading["codes"]]
        facts: Row = {"studies": name, "n": len(chosen), "right": right(chosen), "right_on_the_rest": right(rest)}
        facts["referred"] = share(chosen, lambda codes: bool(codes))
        for code in ("score-uncertain", "unlike-training"):
            facts[code] = share(chosen, lambda codes, code=code: code in codes)
        rows.append(facts)
    return rows


def right(readings: Sequence[Reading]) -> float | None:
    """Share of right decisions."""
    return float(np.mean([(r["label"] == "fracture") == (r["called"] == "1") for r in readings])) if readings else None


def share(readings: Sequence[Reading], test: Any) -> float:
    """Share of the readings whose codes of referral pass a test."""
    return float(np.mean([test(set(reading["codes"].split())) for reading in readings]))


def goal(stratum: SelectiveStratum) -> Row:
    """Say whether referring a fifth raises the sensitivity on the rest by `GOAL_GAIN`, with the combined score."""
    row: SelectiveRow | None = stratum.row(COMBINED)
    if row is None:
        return {"stratum": stratum.name, "reached": False, "because": "the bundle was never calibrated"}
    kept: Kept = row.at(0.2)
    return {"stratum": stratum.name, "reached": kept.gain.value >= GOAL_GAIN, **flat({"gain": kept.gain})}


def flat(values: Mapping[str, Estimate]) -> Row:
    """Return value, low and high of estimates as columns."""
    cells = {}
    for name, value in values.items():
        low, middle, high = (None if math.isnan(v) else v for v in (value.low, value.value, value.high))
        cells |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return cells


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows with all their columns."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
