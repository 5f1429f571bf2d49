"""The metadata of the MONAI Bundle specification (https://docs.monai.io/en/stable/mb_specification.html)."""

from __future__ import annotations

from typing import Any

from fractureai.bundle.spec import BundleSpec, spec_to_json
from fractureai.bundle.use import intended_use
from fractureai.sites import Site

MODEL_VERSION = "0.1.0"
_PAPER = (
    "Raisuddin et al., Critical evaluation of deep neural networks for wrist fracture detection, "
    "Scientific Reports 11 (2021)"
)


def monai_metadata(spec: BundleSpec) -> dict[str, Any]:
    """Return the content of ``configs/metadata.json``: the keys of the MONAI specification, and ``fractureai``.

    The specification describes one network; that is the classifier of the first view here. The weights are
    ``.safetensors`` and ``.onnx`` instead of the specification's pickled ``model.pt``.
    """
    site = spec.profile()
    required = {"onnxruntime": spec.versions.get("onnxruntime", "1.22")}
    return {
        "version": MODEL_VERSION,
        "changelog": {MODEL_VERSION: f"trained {spec.created}"},
        "monai_version": spec.versions.get("monai", ""),
        "pytorch_version": spec.versions.get("torch", ""),
        "numpy_version": spec.versions.get("numpy", ""),
        "required_packages_version": required,
        "optional_packages_version": {},
        "name": spec.title,
        "task": f"Classification of {site.title.lower()} radiographs: {', '.join(site.classes)}",
        "description": f"Finds landmarks on each view, cuts the region of interest out and gives "
        f"the probability of {site.positive_class} with an activation map.",
        "authors": "see docs/README.md",
        "copyright": "see LICENSE",
        "intended_use": intended_use(spec).purpose,
        "data_type": "DICOM projection radiographs" + (" (simulated)" if spec.data.get("simulated") else ""),
        "references": [_PAPER],
        "network_data_format": _network_data_format(spec, site),
        "fractureai": spec_to_json(spec),
    }


def _network_data_format(spec: BundleSpec, site: Site) -> dict[str, Any]:
    view, models = next(iter(spec.views.items()))
    side = models.window_px
    return {
        "inputs": {
            "image": _tensor(
                "image", "magnitude", 1, [side, side], [0, 1], {0: f"{view} region of interest"}, patch=True
            ),
        },
        "outputs": {
            "pred": _tensor("probabilities", "classes", len(site.classes), [], [0, 1], dict(enumerate(site.classes))),
            "activation_map": _tensor("image", "magnitude", 1, ["h", "w"], [], {0: site.positive_class}, patch=True),
            "features": _tensor("tuples", "latent", "n", [], [], {}),
        },
    }


def _tensor(
    kind: str,
    format_: str,
    channels: int | str,
    shape: list[Any],
    values: list[float],
    meaning: dict[int, str],
    *,
    patch: bool = False,
) -> dict[str, Any]:
    return {
        "type": kind,
        "format": format_,
        "modality": "DX",
        "num_channels": channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": values,
        "is_patch_data": patch,
        "channel_def": {str(channel): text for channel, text in meaning.items()},
    }
