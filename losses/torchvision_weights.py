"""The ImageNet weights that torchvision publishes: from its download folder, or downloaded."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets.errors import UserError

_URL = "https://download.pytorch.org/models/"
_TIMEOUT_S = 10
# as results print it: the same on every machine
_FOLDER = "$TORCH_HOME/hub/checkpoints/ (TORCH_HOME is ~/.cache/torch unless set)"


class Published(NamedTuple):
    """An ImageNet network's file, by torchvision's name, and the first digits of its SHA-256."""

    file: str
    sha256: str


def published_state(published: Published) -> dict[str, Tensor]:
    """The weights of a published file, on the CPU.

    Raises:
        UserError: the file is missing and cannot be downloaded, or is not the published one.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.file
    if not path.is_file():
        _download(published, path)
    if not sha256(path).startswith(published.sha256):
        raise UserError(
            f"{published.file} in {_FOLDER} is not the published file (its SHA-256 does not "
            f"begin with {published.sha256}); replace it by {_URL}{published.file}"
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(published: Published, path: Path) -> None:
    url = _URL + published.file
    remedy = f"no {published.file} in {_FOLDER}; put {url} there"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise UserError(f"{remedy}, or unset HF_HUB_OFFLINE to have it downloaded")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)  # torch.hub sets none: a silent firewall would hang us
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), published.sha256, progress=False)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; RuntimeError: wrong hash
        raise UserError(f"{remedy} (download failed: {error})") from error
    finally:
        socket.setdefaulttimeout(timeout)
