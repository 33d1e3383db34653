"""Where the weights that come with the package lie; found without loading torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SUFFIX = ".safetensors"
# first digits of the SHA-256 of files that are older than the hash which newer ones state
OLD_FILES = {
    "ddcolor_photos": "033d1dba2baea8d0",
    "encoder_unet_nir": "0c4677c716f6c413",
    "encoder_unet_vcip_chord_all": "e307e7644e6df67d",
}
_PACKAGE = (__package__ or "").partition(".")[0]


def shipped_weights() -> dict[str, Path]:
    """The weights that come with the package, recipe -> file."""
    spec = find_spec(f"{_PACKAGE}.weights")  # results/weights of the repository
    folders = spec.submodule_search_locations or [] if spec else []
    return {file.stem: file for folder in folders for file in Path(folder).glob(f"*{SUFFIX}")}
