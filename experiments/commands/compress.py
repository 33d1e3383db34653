"""``crosschroma compress``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, get_type_hints

import tyro

from ...datasets.base.bounds import check_options


def compress(argv: list[str]) -> int:
    """``crosschroma compress RUN``: the arguments of ``deploy.compress.compress``."""
    from ..deploy import compress as deployed
    from ..deploy.compress_table import verdict

    hints = get_type_hints(deployed.compress, include_extras=True)

    @functools.wraps(deployed.compress)
    def run(out: Path, **options: Any) -> None:
        check_options({"out": out, **options}, hints)
        result = deployed.compress(out=out, **options)
        print((out / "table.md").read_text())
        print(verdict(result))
        print(out / "table.json")

    tyro.cli(run, prog="crosschroma compress", args=argv, config=(tyro.conf.OmitArgPrefixes,))
    return 0
