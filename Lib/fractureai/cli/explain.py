"""`fractureai explain`: why a bundle reads a study as it does: every map, and how far they agree."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai.cli import console
from fractureai.cli.read import GivenFiles, load_pipeline
from fractureai.errors import FractureAIError

if TYPE_CHECKING:
    from fractureai.inference import Pipeline, Prediction, ViewPrediction
    from fractureai.inference.occlusion import Occlusion
    from fractureai.radiograph import Radiograph

NAME = "explain"
EXAMPLE = "fractureai explain demo wrist_pa.dcm wrist_lat.dcm out/explanation"
INTERRUPTED = "Run the same command again; it starts over."
DOCUMENT = "explanation.json"
PICTURE = "explanation.png"


@dataclass(frozen=True, eq=False)
class ExplainedView:
    """One radiograph of the study.

    Attributes:
        radiograph: the image.
        reading: its reading.
        occlusion: what hiding parts of it did.
        agreement: of the folds' maps, -1..1; nan for one fold.
        dispersion: of the activation map, 0..1.
        correlation: rank correlation of activation and occlusion, -1..1; nan where either is the same everywhere.
    """

    radiograph: Radiograph
    reading: ViewPrediction
    occlusion: Occlusion
    agreement: float
    dispersion: float
    correlation: float


def run(
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or the word demo.")],
    files: Annotated[list[Path], typer.Argument(help="Files of one study.")],
    out: Annotated[Path, typer.Argument(help="Folder for the picture, the maps and the JSON.")],
    view: Annotated[
        list[str] | None, typer.Option(help="PA, AP, LAT: for all files, or repeated, one a file in their order.")
    ] = None,
    side: Annotated[str | None, typer.Option(help="L or R.")] = None,
    spacing_mm: Annotated[
        list[float] | None, typer.Option(help="Pixel spacing: for all files, or repeated, one a file.")
    ] = None,
    patch_mm: Annotated[
        float | None, typer.Option(min=1, help="Side in millimetres of the patch that hides parts of the image.")
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Show why a study is read as it is: region, map of each fold, what hiding parts does, and how far they agree."""
    _refuse_folders(files)
    given = GivenFiles(view or [], side, spacing_mm or [], files)
    pipeline = load_pipeline(bundle)
    prediction = given.read(pipeline)
    if not prediction.views:
        reason = prediction.referrals[0].text if prediction.referrals else "there is no radiograph to read."
        raise FractureAIError(f"There is nothing to explain: {reason}")
    with console.ProgressBar("Hiding parts of the images") as bar:
        views = []
        for number, reading in enumerate(prediction.views):
            bar.advance(number, len(prediction.views), reading.view)
            views.append(_explained(pipeline, reading, patch_mm))
    out.mkdir(parents=True, exist_ok=True)
    document = _document(prediction, views, out)
    if as_json:
        console.result_json(document)
    else:
        _print(prediction, document)


def _refuse_folders(files: list[Path]) -> None:
    folder = next((path for path in files if path.is_dir()), None)
    if folder is not None:
        raise typer.BadParameter(f"{folder} is a folder; give the files of one study, and last the folder to write.")


def _explained(pipeline: Pipeline, reading: ViewPrediction, patch_mm: float | None) -> ExplainedView:
    from fractureai.evaluation.explanation import occlusion_correlation
    from fractureai.evaluation.map_scores import dispersion, fold_agreement
    from fractureai.inference.occlusion import PATCH_MM, occlude_view
    from fractureai.radiograph import read_radiograph

    radiograph = read_radiograph(reading.file)
    side = PATCH_MM if patch_mm is None else patch_mm
    reader = pipeline.readers[reading.view]
    window_mm = reading.roi.side_mm * reader.models.window_px / reader.profile.roi_size_px
    if side > window_mm:
        raise typer.BadParameter(f"--patch-mm {side:g} is more than the {window_mm:.0f} mm that the networks see.")
    occlusion = occlude_view(pipeline, radiograph, reading, patch_mm=side, stride_mm=side / 2)
    return ExplainedView(
        radiograph,
        reading,
        occlusion,
        fold_agreement(reading.member_maps),
        dispersion(reading.activation_map),
        occlusion_correlation(occlusion, reading.activation_map),
    )


def _document(prediction: Prediction, views: list[ExplainedView], out: Path) -> dict[str, Any]:
    """Write the maps, the picture and the JSON document, and return it."""
    from fractureai import NOT_A_MEDICAL_DEVICE
    from fractureai.cli.explanation_picture import write_explanation_png

    document = {
        "study": prediction.study,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "decision": prediction.decision,
        "refer": prediction.refer,
        "reasons": [{"code": reason.code, "text": reason.text} for reason in prediction.referrals],
        "problems": list(prediction.problems),
        "picture": str(write_explanation_png(out / PICTURE, prediction, views)),
        "views": [_view_entry(number, view, out) for number, view in enumerate(views, start=1)],
        "model": prediction.model,
        "notice": prediction.notice,
        "not_a_medical_device": NOT_A_MEDICAL_DEVICE,
    }
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    (out / DOCUMENT).write_text(text + "\n", encoding="utf-8")
    return document


def _view_entry(number: int, view: ExplainedView, out: Path) -> dict[str, Any]:
    import numpy as np

    reading, occlusion = view.reading, view.occlusion
    drops = occlusion.drop_map().astype(np.float32)
    folds = reading.member_maps
    assert folds is not None  # it was read just now
    maps = {"mean": reading.activation_map, "folds": folds, "occlusion": drops}
    stem = f"{number}_{reading.view}_{re.sub(r'[^A-Za-z0-9._-]+', '_', reading.file.stem)[:60]}"
    paths = {}
    for name, values in maps.items():
        path = out / f"{stem}_{name}.npy"
        np.save(path, values, allow_pickle=False)
        paths[name] = str(path)
    px_per_mm = occlusion.size_px / reading.roi.side_mm
    return {
        "file": str(reading.file),
        "sop_instance_uid": reading.sop_instance_uid,
        "view": reading.view,
        "probability": reading.probability,
        "threshold": reading.threshold,
        "fold_probabilities": [float(value) for value in reading.fold_probabilities],
        "fold_agreement": _number(view.agreement),
        "dispersion": _number(view.dispersion),
        "peak": _place(reading.activation_map, view),
        "occlusion": {
            "patch_mm": occlusion.patch_px / px_per_mm,
            "probability": occlusion.probability,
            "largest_drop": float(occlusion.drops.max()),
            "correlation": _number(view.correlation),
            "peak": _place(occlusion.evidence_map(), view),
        },
        "maps": paths,
    }


def _place(heat: Any, view: ExplainedView) -> dict[str, float] | None:
    """Return where a map's maximum lies on the radiograph; None for a map that is 0 everywhere."""
    from fractureai.evaluation.localisation import peak_on_image

    row, col = peak_on_image(heat, view.reading.roi)
    return None if math.isnan(row) else {"row": row, "col": col}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _print(prediction: Prediction, document: dict[str, Any]) -> None:
    from fractureai.cli.read import reading_line

    console.result(f"Study {prediction.study}: {reading_line(prediction)}")
    for view in document["views"]:
        folds = len(view["fold_probabilities"])
        agreement = view["fold_agreement"]
        known = "undefined" if agreement is None else f"{agreement:.2f}"
        steady = "one fold" if folds == 1 else f"agreement of {folds} folds {known}"
        rank = view["occlusion"]["correlation"]
        check = "undefined" if rank is None else f"{rank:.2f}"
        drop = f"hiding a patch lowers it by up to {view['occlusion']['largest_drop']:.3f}"
        console.result(f"  {view['view']:4} {view['probability']:.3f}; {steady}; {drop}; rank correlation {check}")
    console.result(f"  Picture: {document['picture']}")
    console.result(f"  Model {prediction.model}: {prediction.notice or document['not_a_medical_device']}")
