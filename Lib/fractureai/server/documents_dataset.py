"""The bodies of requests and answers about datasets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fractureai.server.documents import Document

Status = Literal["open", "done", "flagged"]

_MARKS: dict[str, Any] = {
    "radiograph": "1.2.840.1.1",
    "rater": "AM",
    "status": "done",
    "label": "fracture",
    "landmarks": {"distal_ulna": [812.4, 511.0]},
    "regions": [{"kind": "fracture", "shape": "box", "bone": "radius", "points": [[700.0, 400.0], [760.0, 480.0]]}],
    "displacement": "dorsal",
    "cast": False,
    "implant": None,
    "quality": "good",
    "view": "PA",
    "side": "L",
    "comment": "",
    "revision": 3,
    "updated": "2026-08-01T12:03:11.000+00:00",
    "extra": {},
    "format_version": 1,
}


class DatasetSummary(Document):
    """A dataset below a root of the server."""

    name: str = Field(examples=["wrists"], description="What addresses call it: its folder's name.")
    title: str = Field(examples=["Wrists 2026"])
    folder: str = Field(examples=["/data/wrists"])
    site: str = Field(examples=["wrist"])
    label_set: list[str] = Field(examples=[["normal", "fracture", "uncertain"]])
    radiographs: int = Field(examples=[400])
    raters: list[str] = Field(examples=[["AM", "TR"]])


class Datasets(Document):
    """The datasets below the server's roots."""

    datasets: list[DatasetSummary]


class WorkItem(Document):
    """One radiograph on a worklist."""

    id: str = Field(examples=["1.2.840.1.1"], description="SOP Instance UID.")
    study: str
    patient: str = Field(description="Pseudonym.", examples=["P0041"])
    view: str = Field(examples=["PA"])
    side: str = Field(examples=["L"])
    date: str = Field(examples=["20140302"])
    stratum: str
    description: str
    index: int = Field(description="Place in the table of radiographs.")
    status: Status
    label: str | None = Field(examples=["fracture"])
    revision: int = Field(description="Of the rater's marks; 0 while there are none.")
    updated: str


class Worklist(Document):
    """A page of a worklist."""

    total: int = Field(description="Radiographs chosen by status and text, on all pages.")
    offset: int
    counts: dict[Status, int] = Field(description="Of all radiographs of the dataset.")
    problems: list[str] = Field(description="Marks that could not be read and were set aside.")
    items: list[WorkItem]


class Marks(Document):
    """A rater's marks on a radiograph."""

    revision: int = Field(examples=[3], description="0 while there are none.")
    annotation: dict[str, Any] | None = Field(examples=[_MARKS], description="As in the dataset's JSON files, or null.")


class Conflict(Marks):
    """Marks that were saved by somebody else in the meantime."""

    detail: str = Field(examples=["Somebody saved these marks in the meantime; read them again and repeat the change."])


class PutBody(Document):
    """Marks to save."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"expected_revision": 2, "annotation": _MARKS}]}
    )
    expected_revision: Annotated[int, Field(ge=0, strict=True)] = Field(
        description="The revision that was read before the change; 0 when there were no marks."
    )
    annotation: dict[str, Any] = Field(
        description="As in the dataset's JSON files; what is left out is empty; `revision` and `updated` do not count."
    )
