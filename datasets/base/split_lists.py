"""Fixed lists of images, shipped as text: a split is data, not code.

A list is ``splits/<name>.txt``: first line ``# sha256 <hash of the remaining bytes> <name>``, then
one entry a line. The hash keeps a result comparable: whoever edits a list gets an error, not
another number under the same protocol name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .errors import DataError, unknown

FOLDER = Path(__file__).parent / "splits"


def read_split_list(name: str) -> tuple[str, ...]:
    """Entries of the list ``name``, in the file's order.

    Raises:
        DataError: when there is no such list, or its content is not what its hash says.
    """
    return tuple(_verified(name)[1].splitlines())


def digest(name: str) -> str:
    """SHA-256 (hex) of the list's entries, verified; raises as ``read_split_list`` does."""
    return _verified(name)[0]


def split_list_names() -> list[str]:
    """Names of all shipped lists."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def _verified(name: str) -> tuple[str, str]:
    path = FOLDER / f"{name}.txt"
    if name not in split_list_names():
        raise DataError(unknown("split list", name, split_list_names()))
    # read_text turns CRLF, which git may write on Windows, into the LF that the hash was taken of
    head, _, body = path.read_text(encoding="utf-8").partition("\n")
    digest = hashlib.sha256(body.encode("utf-8")).hexdigest()
    if head.split() != ["#", "sha256", digest, name]:
        raise DataError(
            f"the split list {path} was changed: its entries hash to {digest[:12]}..., its first "
            f"line says otherwise ('{head[:60]}'). Restore it: git checkout -- {path}"
        )
    return digest, body
