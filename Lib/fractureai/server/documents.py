"""The bodies of requests and answers, with the examples of the OpenAPI document."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fractureai.inference.outputs import SCHEMA_FILE

View = Literal["PA", "AP", "LAT", "OBLIQUE", "SCAPHOID"]
Side = Literal["L", "R", "B"]
Spacing = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]
Coverage = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
PathText = Annotated[str, Field(min_length=1, max_length=4096)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]

_STUDY = "/data/wrists/study_1"


class Document(BaseModel):
    """A JSON object with the keys named, and no others."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Problem(Document):
    """What every error answers."""

    detail: str = Field(
        description="One sentence for people.", examples=["There is no such model; see the list of models."]
    )


class Fields(Document):
    """What a client says about radiographs it uploads."""

    model: ModelName = Field("demo", description="`demo`, or the id of a registered model.")
    view: View | None = Field(None, description="Overrides what the files say.")
    side: Side | None = Field(None, description="Overrides what the files say.")
    spacing_mm: Spacing | None = Field(None, description="Pixel spacing; overrides what the files say.")
    coverage: Coverage | None = Field(
        None,
        description="Share of studies, like those the model was calibrated on, that it is to answer; the others are "
        "referred. Null: as the server was started with, else the model's own.",
    )


class ReadBody(Fields):
    """A study to read, by paths that the server can see."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"paths": [f"{_STUDY}/pa.dcm", f"{_STUDY}/lat.dcm"], "model": "demo"}]},
    )
    paths: Annotated[list[PathText], Field(min_length=1, max_length=64)] = Field(
        description="Files of one study of one wrist, or the folder that holds it; absolute, below a root."
    )


class ProposalBody(Document):
    """A radiograph to find landmarks on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"path": f"{_STUDY}/pa.dcm", "model": "demo"}]}
    )
    path: PathText
    model: ModelName = "demo"
    view: View | None = None


class ProposalFields(Document):
    """What a client says about a radiograph it uploads to find landmarks on."""

    model: ModelName = "demo"
    view: View | None = None


class ImportBody(Document):
    """A bundle to register."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"path": "/data/bundles/quick.zip"}]})
    path: PathText = Field(description="Folder of a bundle or ZIP file of one; absolute, below a root of the server.")


class Device(Document):
    """What computes."""

    id: str = Field(examples=["cpu", "cuda:0"])
    name: str = Field(examples=["CPU"])
    kind: Literal["cpu", "cuda", "mps"] = Field(examples=["cpu"])
    free_bytes: int | None = Field(examples=[12_000_000_000])
    total_bytes: int | None = Field(examples=[16_000_000_000])


class Health(Document):
    """Whether the server is there, and what it can do."""

    api: str = Field(examples=["v1"])
    version: str = Field(examples=["0.1.0"])
    can_read: bool
    can_train: bool = Field(description="Whether what training needs is installed beside this server.")
    device: Device = Field(description="What a training would take.")
    devices: list[Device]
    pid: int = Field(examples=[4711])


class ModelView(Document):
    """A view that a model reads."""

    title: str = Field(examples=["Posteroanterior"])
    threshold: float = Field(examples=[0.48])


class Model(Document):
    """A registered bundle."""

    id: str = Field(examples=["demo"], description="What requests call it.")
    model: str = Field(examples=["wrist-demo-1a2b3c4d"], description="Identifier printed with every reading.")
    title: str = Field(examples=["Wrist, demo"])
    notice: str = Field(examples=["trained on simulated images; not for clinical use"])
    site: str = Field(examples=["wrist"])
    views: dict[str, ModelView]
    ensemble_threshold: float = Field(examples=[0.5])
    created: str = Field(examples=["2026-08-01"])
    coverage: float | None = Field(
        description="Share of studies that it answers unless another is asked for; null: it was never calibrated.",
        examples=[0.9],
    )
    metrics: dict[str, Any]
    card: str = Field(description="The model card, Markdown.", examples=["# Wrist, demo"])


class Models(Document):
    """All registered bundles."""

    models: list[Model]


class Landmark(Document):
    """A point of a radiograph, in pixels; integers are pixel centres."""

    name: str = Field(examples=["distal_ulna"])
    row: float = Field(examples=[812.4])
    col: float = Field(examples=[511.0])


class ViewProposal(Document):
    """The landmarks of one view, and whether they look like that view."""

    plausible: bool
    reasons: list[str] = Field(description="Why it is not plausible.", examples=[[]])
    landmarks: list[Landmark]
    spread: list[float] = Field(
        description="Of each landmark's heat map: radius as a share of the image's side.", examples=[[0.01]]
    )


class Proposal(Document):
    """Landmarks that a model proposes."""

    sop_instance_uid: str = Field(examples=["1.2.840.1.1"])
    view: str | None = Field(
        description="The view that `landmarks` are of: as asked, else as the file says.", examples=["PA"]
    )
    landmarks: list[Landmark] = Field(description="Empty when the view is unknown.")
    spread: list[float]
    views: dict[str, ViewProposal]
    view_suggested: str | None = Field(description="Another view that fits better, or null.", examples=[None])
    side_suggested: str | None = Field(
        description="Null: a model can not tell a left wrist from a mirrored right one.", examples=[None]
    )


def reading_schema() -> dict[str, Any]:
    """Return the JSON Schema of a reading as the server answers it: with its id, and addresses instead of paths."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    schema.pop("$schema")
    schema["description"] = "The reading of one study of one body side by a model. Not a medical device."
    schema["properties"]["id"] = {
        "type": "string",
        "description": "Of this reading; part of the addresses of its files.",
    }
    schema["required"].append("id")
    view = schema["properties"]["views"]["items"]["properties"]
    view["file"]["description"] = "Path of the radiograph as given, or `File 1`, `File 2`, ... of uploaded ones."
    view["activation_map"]["description"] += " Here: its address below /v1/."
    for place in (schema["properties"]["overlay"], view["overlay"]):
        place["description"] = "Address below /v1/ of a PNG; null when none is drawn."
    schema["example"] = READING_EXAMPLE
    return schema


_TEXT = "95 % interval over 1 fold and 10 test-time crops: how steady the model is, not how often it is right"
_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

READING_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "study": "1.2.840.1",
    "views": [
        {
            "file": f"{_STUDY}/pa.dcm",
            "sop_instance_uid": "1.2.840.1.1",
            "view": "PA",
            "side": "L",
            "probability": 0.87,
            "interval": [0.79, 0.93],
            "interval_text": _TEXT,
            "fold_probabilities": [0.87],
            "threshold": 0.5,
            "landmarks": [{"name": "distal_ulna", "row": 812.4, "col": 511.0}],
            "roi": {
                "row": 900.0,
                "col": 590.1,
                "side_px": 486.1,
                "side_mm": 70.0,
                "height_px": 486.1,
                "width_px": 486.1,
                "turns": 0,
            },
            "activation_map": f"readings/{_ID}/1.npy",
            "overlay": None,
            "spacing_mm": [0.144, 0.144],
            "spacing_source": "ImagerPixelSpacing",
        }
    ],
    "ensemble": {"probability": 0.87, "threshold": 0.5, "interval": [0.79, 0.93], "interval_text": _TEXT},
    "reliability": {
        "calibrated_probability": 0.81,
        "uncertainty": 0.07,
        "uncertainty_limit": 0.22,
        "coverage": 0.9,
        "conformal": ["fracture"],
        "scores": {"margin": 0.26, "views": 0.04},
    },
    "decision": "positive",
    "decision_text": "Fracture likely",
    "refer": False,
    "reasons": [],
    "problems": [],
    "overlay": f"readings/{_ID}/overlay.png",
    "model": "wrist-demo-1a2b3c4d",
    "notice": "trained on simulated images; not for clinical use",
    "not_a_medical_device": "Not a medical device.",
    "timings_ms": {"read": 21.0, "localize": 34.1, "crop": 3.2, "classify": 41.7, "total": 101.3},
}
