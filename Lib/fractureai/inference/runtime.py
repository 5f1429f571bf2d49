"""What runs a network: ONNX Runtime by default; anything with the same method may take its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fractureai.errors import BundleError

# ONNX Runtime's errors have no common base class.
_LOAD_ERRORS = (
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)

Outputs = dict[str, npt.NDArray[np.float32]]

LOCALIZER_OUTPUTS = ("landmarks", "spread")
CLASSIFIER_OUTPUTS = ("probability", "activation_map", "features")
"""What every classifier gives; those exported since format version 2 of bundles give ``logits`` too."""


class Runtime(Protocol):
    """One network, ready to run."""

    def run(self, image: npt.NDArray[np.float32]) -> Outputs:
        """Run the network.

        Args:
            image: (n, 1, rows, columns) float32 in 0..1.

        Returns:
            Output name -> array; of a localizer `LOCALIZER_OUTPUTS`, of a classifier `CLASSIFIER_OUTPUTS`.
        """


RuntimeFactory = Callable[[Path], Runtime]
"""Makes a runtime from an ONNX file of a bundle; the weights lie beside it as ``.safetensors``."""


class OnnxRuntime:
    """A network in ONNX Runtime.

    Args:
        path: the ONNX file.
        threads: how many threads it may use; None: ONNX Runtime decides.
        providers: execution providers, in order of preference.

    Raises:
        BundleError: the file is not a network with the input ``image``.
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The networks of a study run one after the other: threads that wait for work must not slow the next network.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except tuple(getattr(onnxruntime_pybind11_state, name) for name in _LOAD_ERRORS) as error:
            raise BundleError(path, f"ONNX Runtime can not load it ({_first_line(error)})", "train it anew") from error
        inputs = [value.name for value in self._session.get_inputs()]
        if inputs != ["image"]:
            raise BundleError(path, f"its inputs are {', '.join(inputs) or 'none'}, not image", "train it anew")
        self._names = [value.name for value in self._session.get_outputs()]

    def run(self, image: npt.NDArray[np.float32]) -> Outputs:
        """Run the network; see `Runtime.run`."""
        return dict(zip(self._names, self._session.run(self._names, {"image": image}), strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
