"""Files of tensors, read without running code that they may hold: torch, safetensors and npz.

Every weights file is read here, whatever its suffix says; a test of the architecture refuses
``torch.load`` elsewhere. Damage is found: the parts of torch's files have a CRC-32 each, which is
checked here, and what crosschroma writes states the SHA-256 of its content.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from ...datasets.base.errors import UserError

# where training programs keep the weights, averaged ones before others
_INSIDE = ("params", "state_dict_ema", "model_ema", "state_dict", "model")
_WRAPPED = "module."  # what torch's DataParallel puts before every name
_ADVICE = "weights_only"  # in torch's errors, which advise to load without the protection
_ZIP = b"PK\x03\x04"
_HEADER = 8  # bytes of a safetensors file before its JSON


def read_content(path: Path, mapped: bool = False) -> Any:
    """What a file holds: tensors by name, or a checkpoint's tensors and plain values.

    Args:
        path: of torch, safetensors or npz; its content tells which.
        mapped: leave torch's tensors in the file until they are used.

    Raises:
        UserError: no such file; one that is damaged, that would run code, or that is a TorchScript
            program.
    """
    try:
        return _read(path, mapped)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: it is damaged, or holds objects that would run code on loading"
        ) from error
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} needs more memory than there is") from error
    except FileNotFoundError as error:
        raise UserError(f"no file {path}") from error
    except Exception as error:  # a damaged file raises almost anything
        raise UserError(f"{path} is damaged or holds no weights{_reason(error)}") from error


def content_sha256(content: Any) -> str:
    """SHA-256 of tensors and plain values, nested in dictionaries and sequences in their order."""
    digest = hashlib.sha256()
    _digest(content, digest.update)
    return digest.hexdigest()


def read_named_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, as ``nn.Module.load_state_dict`` takes them.

    Args:
        path: as ``read_content``'s; the weights alone, or among other things under ``params``
            (BasicSR), ``state_dict``, ``model`` and the like.

    Raises:
        UserError: as ``read_content``, or the file holds no tensors by name.
    """
    content = read_content(path)
    for key in _INSIDE:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = dict(content) if isinstance(content, dict) else {}
    if not tensors or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise UserError(f"{path} holds no weights by name; name the authors' checkpoint")
    wrapped = all(name.startswith(_WRAPPED) for name in tensors)
    return {n.removeprefix(_WRAPPED): v for n, v in tensors.items()} if wrapped else tensors


def _read(path: Path, mapped: bool) -> Any:
    with path.open("rb") as file:
        start = file.read(_HEADER + 1)
    if start[:4] == _ZIP:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise UserError(f"{path} is refused: it is a TorchScript program, not weights")
        if not mapped:
            check_parts(path)
        if names and all(name.endswith(".npy") for name in names):
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    elif start[_HEADER:] == b"{":
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore", UserWarning)  # of a pickle that is refused all the same
        # an open file, as torch takes the suffix of a path for the format; it maps paths only
        mapped = mapped and path.suffix not in (".safetensors", ".npz")
        source = path if mapped else file
        return torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)


def check_parts(archive: Path | BinaryIO) -> None:
    """Read all parts of a zip archive, such as torch writes, against their CRC-32.

    Raises:
        ValueError: naming a part that differs.
    """
    with zipfile.ZipFile(archive) as parts:
        damaged = parts.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} is not what was written")


def _digest(content: Any, update: Callable[[Any], None]) -> None:
    if isinstance(content, Tensor):
        update(f"{content.dtype}{tuple(content.shape)}".encode())
        flat = content.detach().cpu().contiguous().flatten()
        update(flat.view(torch.uint8).numpy().data)
    elif isinstance(content, Mapping):
        update(f"{{{len(content)}".encode())
        for key, value in content.items():
            update(f"{key!r}:".encode())
            _digest(value, update)
    elif isinstance(content, list | tuple):
        update(f"[{len(content)}".encode())
        for value in content:
            _digest(value, update)
    else:
        update(f"{content!r},".encode())


def _reason(error: Exception) -> str:
    text = (error.strerror or "") if isinstance(error, OSError) else str(error)
    line = text.strip().partition("\n")[0]
    return f": {line}" if line and _ADVICE not in text else ""
