"""Files of ``crosschroma export`` as networks again: ONNX by ONNX Runtime, TorchScript by torch."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...datasets.base.bounds import Side
from ...datasets.base.errors import Note, UserError
from ...datasets.base.json_file import parse_json
from ...losses.pretrained.tensor_file import check_parts
from ...models.base.weights import missing_run

ONNX, TORCHSCRIPT = ".onnx", ".ts"  # .pt are checkpoints
_KEY = "crosschroma"
_FORMAT = "crosschroma-export-1"
_SEAL = re.compile(rb'"sha256": "([0-9a-f]{64})"')
_CLEARED = b'"sha256": "' + b"0" * 64 + b'"'
_MISSING = "ONNX files need onnx and onnxruntime: pip install 'crosschroma[export]'"


@dataclass(frozen=True, kw_only=True)
class About:
    """What an exported file says of itself.

    Attributes:
        method: its name.
        recipe: whose run it was.
        domain: name of the input, B1HW float32 in [0,1]: ``gray`` is CIE L*/100, ``nir`` levels.
        output: name of the output, float32 of the same H and W: ``ab`` B2HW in CIE units, ``rgb``
            B3HW sRGB in [0,1].
        size: the side that the method was trained at; ``None`` when it says none.
        weights_sha256: of the networks used at inference.
        sha256: of an ONNX file with zeros in this place; parts of TorchScript have a CRC-32.
    """

    method: str
    recipe: str
    domain: Literal["gray", "nir"]
    output: Literal["ab", "rgb"]
    size: Side | None
    weights_sha256: str
    format: str = _FORMAT
    sha256: str = "0" * 64


class ExportedColors(nn.Module):
    """An exported file in the place of ``MethodColors``."""

    takes_hints = takes_global_hints = takes_boxes = False

    def __init__(self, about: About, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.name, self.domain, self.size = about.method, about.domain, about.size
        self.weights_sha256 = about.weights_sha256
        self._run = run

    def forward(
        self,
        plane: Tensor,
        hints: Tensor | None = None,
        global_hints: Tensor | None = None,
        boxes: list[Tensor] | None = None,
    ) -> Tensor:
        """As ``MethodColors.forward``; on the CPU."""
        return self._run(plane.cpu()).to(plane.device)


def is_exported(path: Path) -> bool:
    """Whether a file's suffix is one of those that ``export`` writes for other programs."""
    return path.suffix in (ONNX, TORCHSCRIPT)


def load_exported(path: Path, trust: bool = False) -> ExportedColors:
    """The network of an exported file.

    Args:
        path: the file.
        trust: TorchScript is a program, which can write files: it is run only if this says so.

    Raises:
        UserError: no such file, a damaged or foreign one, TorchScript that is not trusted, or ONNX
            Runtime is missing.
    """
    if not path.exists():
        raise missing_run(path)
    if path.suffix == TORCHSCRIPT and not trust:
        raise UserError(
            f"{path} is TorchScript, a program that can write any file of yours; where you trust "
            "its maker, give --trust-torchscript (in Python trust=True), or else take its ONNX or "
            "safetensors file"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        if path.suffix == ONNX:
            _check_seal(path, data)
        elif data:
            check_parts(io.BytesIO(data))
        reader = from_onnx if path.suffix == ONNX else from_torchscript
        text, run = reader(data)
        about: About = parse_json(text, About, str(path), "file of `crosschroma export`")
        if about.format != _FORMAT:
            raise ValueError(f"format {about.format}")
        return ExportedColors(about, run)
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime and torch raise kinds of their own
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is damaged or was not written by `crosschroma export`: {reason}"
        ) from error


def described(about: About) -> str:
    """What goes into a file's metadata."""
    return json.dumps(asdict(about))


def sealed(data: bytes) -> bytes:
    """An ONNX model with the hash of its bytes in its metadata, checked by ``load_exported``."""
    cleared = _SEAL.sub(_CLEARED, data)
    digest = hashlib.sha256(cleared).hexdigest().encode()
    return cleared.replace(_CLEARED, _CLEARED.replace(b"0" * 64, digest))


def _check_seal(path: Path, data: bytes) -> None:
    if not (seal := _SEAL.search(data)):
        text = f"{path} states no hash of its content, as older files do not: damage may pass"
        warnings.warn(text, Note, stacklevel=3)
    elif seal[1] != hashlib.sha256(_SEAL.sub(_CLEARED, data)).hexdigest().encode():
        raise ValueError("its content has not the hash that was written with it")


def from_onnx(data: bytes) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Metadata and network of an ONNX model, on the CPU with as many threads as torch has.

    Raises:
        UserError: ONNX Runtime is not installed.
    """
    ort = need("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(plane: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: plane.float().numpy()})[0])

    return session.get_modelmeta().custom_metadata_map.get(_KEY, "{}"), run


def from_torchscript(data: bytes) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Metadata and network of a TorchScript archive."""
    extra: dict[str, Any] = {_KEY: b""}
    module = torch.jit.load(io.BytesIO(data), map_location="cpu", _extra_files=extra)
    text = extra[_KEY]
    return (text.decode() if isinstance(text, bytes) else text) or "{}", module


def need(package: str) -> Any:
    """onnx or onnxruntime.

    Raises:
        UserError: it is not installed.
    """
    try:
        return __import__(package)
    except ImportError as error:
        raise UserError(_MISSING) from error
