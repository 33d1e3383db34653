"""``crosschroma table``: the results tables from the run files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.outputs import FOLDER, check_output


@dataclass(frozen=True, kw_only=True)
class TableOptions(Checked):
    """Write results/tables and the tables in README from the run files.

    Attributes:
        check: write nothing; exit with 1 and say what differs.
        results: folder with runs/*.json and published.json.
        readme: file whose table blocks are filled; ``None`` fills none.
    """

    check: tyro.conf.FlagCreatePairsOff[bool] = False
    results: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("results")
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Path("README.md")


def table(argv: list[str]) -> int:
    """``crosschroma table``."""
    options = tyro.cli(TableOptions, prog="crosschroma table", args=argv)
    from ..tables import tables

    if options.check:
        differences = tables.check_tables(options.results, options.readme)
        print("\n".join(differences) or "the tables equal the run files")
        return 1 if differences else 0
    check_output(options.results, FOLDER, "--results")
    written = tables.write_tables(options.results, options.readme)
    print("\n".join(map(str, written)) or "the tables are up to date")
    return 0
