"""Weights that others publish: from the folder of torch's downloads, or downloaded into it."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ...datasets.base.errors import UserError
from .tensor_file import read_named_tensors

_URL = "https://download.pytorch.org/models/"
_TIMEOUT_S = 10
# as results print it: the same on every machine
_FOLDER = "$TORCH_HOME/hub/checkpoints/ (TORCH_HOME is ~/.cache/torch unless set)"


class PublishedFile(NamedTuple):
    """A file by its published name, the first digits of its SHA-256, and the folder of its URL.

    The folder is torchvision's, of ImageNet networks, unless given.
    """

    file: str
    sha256: str
    folder: str = _URL


def published_state(published: PublishedFile, download: bool = True) -> dict[str, Tensor]:
    """The weights of a published file, on the CPU; arguments and errors of ``published_file``."""
    return read_named_tensors(published_file(published, download))


def published_file(published: PublishedFile, download: bool = True) -> Path:
    """Where a published file lies on this machine.

    Args:
        published: the file.
        download: fetch it where it is missing.

    Raises:
        UserError: the file is missing and not downloaded, or is not the published one.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.file
    if not path.is_file():
        if not download:
            raise UserError(_remedy(published))
        _download(published, path)
    if not sha256(path).startswith(published.sha256):
        raise UserError(
            f"{published.file} in {_FOLDER} is not the published file (its SHA-256 does not "
            f"begin with {published.sha256}); replace it by {published.folder}{published.file}"
        )
    return path


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remedy(published: PublishedFile) -> str:
    url = published.folder + published.file
    return f"no {published.file} in {_FOLDER}; put {url} there"


def _download(published: PublishedFile, path: Path) -> None:
    url, remedy = published.folder + published.file, _remedy(published)
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
