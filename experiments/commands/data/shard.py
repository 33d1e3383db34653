"""``crosschroma data shard``: the photos of a dataset in tar archives."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base.adapter import Adapter
from ....datasets.base.bounds import Count
from ....datasets.base.errors import UserError
from ....datasets.base.outputs import FolderOutput
from ....datasets.files.adapter import FileAdapter
from ....datasets.shards import write_shards
from ..shared.dataset_options import Option, colour_dataset_options

_OPTIONS = (
    Option("out", FolderOutput, Path("shards"), "Folder that gets train/*.tar and val/*.tar."),
    Option("photos", Count, 1000, "Photos of one archive."),
)


def shard(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data shard NAME --out DIR``; the exit code."""
    if not issubclass(adapter, FileAdapter):
        raise UserError(f"{adapter.name} is not of photos in train and val: it cannot be sharded")
    options = colour_dataset_options(
        "shard",
        adapter,
        argv,
        _OPTIONS,
        "Write the photos of train and val as tar archives, files as they are.",
    )
    archives = write_shards(options.data, options.out, options.photos)
    print(
        f"{len(archives)} archives in {options.out}\nnext: crosschroma data check shards --root "
        f"{options.out}"
    )
    return 0
