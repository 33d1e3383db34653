"""``crosschroma compress``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import tyro


def compress(argv: list[str]) -> int:
    """``crosschroma compress RUN``: the arguments of ``deploy.compress.compress``."""
    from ..deploy import compress as deployed
    from ..deploy.compress_table import verdict

    @functools.wraps(deployed.compress)
    def run(out: Path, **options: Any) -> None:
        result = deployed.compress(out=out, **options)
        print((out / "table.md").read_text())
        print(verdict(result))
        print(out / "table.json")

    tyro.cli(run, prog="crosschroma compress", args=argv, config=(tyro.conf.OmitArgPrefixes,))
    return 0
