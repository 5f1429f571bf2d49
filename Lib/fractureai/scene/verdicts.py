"""Whether a reader agrees with a model: kept in a text node under the study, saved with the scene, exportable."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

import slicer
import vtk

from fractureai.scene.nodes import KIND, STUDY_UID, Node, SceneError, nodes_of_kind, place, scene
from fractureai.scene.radiograph import find_study_item

_KIND = "verdicts"


@dataclass(frozen=True)
class Verdict:
    """What a reader says about a model's reading of a study.

    Attributes:
        reader: who says it.
        agrees: with the model's decision.
        reason: why not, a short term; "" when agreeing.
        comment: free text.
        time: ISO 8601 UTC.
        model: identifier of the bundle.
        study: Study Instance UID; filled in by `store_verdict`.
    """

    reader: str
    agrees: bool
    reason: str
    comment: str
    time: str
    model: str
    study: str = ""


def store_verdict(study_uid: str, verdict: Verdict) -> Node:
    """Add a verdict to a study. Earlier ones stay: a reader who changes their mind has two, the later one counts.

    Args:
        study_uid: Study Instance UID of a study that is in the scene.
        verdict: its ``study`` is replaced by this one.

    Returns:
        vtkMRMLTextNode below the study, with all its verdicts as JSON.

    Raises:
        SceneError: the study is not in the scene.
    """
    item = find_study_item(study_uid)
    if item is None:
        raise SceneError("The study is no longer in the scene; load it again to store the verdict.")
    node = _node_of(study_uid)
    listed = [] if node is None else json.loads(node.GetText())
    if node is None:
        node = slicer.vtkMRMLTextNode()
        node.SetName("Verdicts of readers")
        node.SetAttribute(KIND, _KIND)
        node.SetAttribute(STUDY_UID, study_uid)
        node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
        scene().AddNode(node)
        place(node, item)
    listed.append(asdict(verdict) | {"study": study_uid})
    node.SetText(json.dumps(listed, ensure_ascii=False, indent=1))
    return node


def verdicts(study_uid: str | None = None) -> tuple[Verdict, ...]:
    """Return the verdicts on a study, or on all studies in the scene, oldest first within a study."""
    nodes = nodes_of_kind(_KIND)
    texts = [node.GetText() for node in nodes if study_uid in (None, node.GetAttribute(STUDY_UID))]
    return tuple(Verdict(**content) for text in texts for content in json.loads(text or "[]"))


def verdicts_csv(listed: Iterable[Verdict]) -> str:
    """Return verdicts as CSV with a header line; ``agrees`` is yes or no."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Verdict)], lineterminator="\n")
    writer.writeheader()
    for verdict in listed:
        row = asdict(verdict) | {"agrees": "yes" if verdict.agrees else "no"}
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return text.getvalue()


def verdicts_json(listed: Iterable[Verdict]) -> str:
    """Return verdicts as a JSON list of objects."""
    return json.dumps([asdict(verdict) for verdict in listed], ensure_ascii=False, indent=2)


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking text for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _node_of(study_uid: str) -> Node | None:
    return next((node for node in nodes_of_kind(_KIND) if node.GetAttribute(STUDY_UID) == study_uid), None)
