"""Exported networks in 8-bit integers, their ranges taken from real pictures."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ...datasets.base.errors import UserError
from ..inference.exported_file import from_onnx, need, sealed


def quantized(model: bytes, planes: Sequence[Tensor]) -> bytes:
    """A static int8 form of an ONNX model of ``to_onnx``, for ONNX Runtime on a CPU.

    Weights get a scale for each output channel, activations one each, from the least and the
    largest value that the planes make. Convolutions compute in integers; all else stays in floats,
    transposed convolutions too, which get slower and no nearer.

    Args:
        model: float32, BatchNorm folded.
        planes: B1HW in [0,1], as the network is given them; some tens of pictures are enough.

    Returns:
        The model in QDQ form, with the same input, output and metadata.

    Raises:
        UserError: onnx or onnxruntime is missing, or there are no planes.
    """
    if not planes:
        raise UserError("int8 needs pictures to take ranges from; there are none")
    onnx = need("onnx")
    need("onnxruntime")
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    given = onnx.load_model_from_string(model)
    name = given.graph.input[0].name

    class Reader(CalibrationDataReader):
        """The planes one by one."""

        def __init__(self) -> None:
            self._left: Iterator[Tensor] = iter(planes)

        def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
            plane = next(self._left, None)
            return None if plane is None else {name: plane.float().numpy()}

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a preprocessing that folding has done
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "int8.onnx"
            quantize_static(
                given,
                path,
                Reader(),
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            made = onnx.load(str(path))
    finally:
        logging.disable(before)
    metadata = {entry.key: entry.value for entry in given.metadata_props}
    onnx.helper.set_model_props(made, metadata)
    data = sealed(made.SerializeToString())
    from_onnx(data)  # a model that does not load must not be kept
    return data
