"""What a results folder holds: run files by table, and the numbers quoted from papers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...datasets.base.errors import UserError
from ..artifacts.run_file import RunFile, load_run_files
from . import specs
from .published import QuotedTables, load_published
from .rows import KINDS, scored, table_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Results(NamedTuple):
    """Run files as {table: {file name: run}}, and the quoted tables."""

    runs: Mapping[str, Mapping[str, RunFile]]
    published: QuotedTables


def load_results(folder: Path) -> Results:
    """Read ``runs/*.json`` and ``published.json`` of a results folder.

    Raises:
        UserError: there is no such folder, or one of its files is broken.
    """
    if not folder.is_dir():
        raise UserError(f"no results folder {folder}; name the one that holds runs/*.json")
    path = folder / "published.json"
    published = load_published(path)
    for name in published.tables:
        _require_name(path, name)
    if specs.GENERATED in published.tables:
        raise UserError(
            f"{path}: '{specs.GENERATED}' are generated images; no paper has a table of them"
        )
    runs: dict[str, dict[str, RunFile]] = defaultdict(dict)
    for name, run in load_run_files(folder / "runs").items():
        path = folder / "runs" / f"{name}.json"
        _require_name(path, run.dataset)
        _require_complete(path, run)
        runs[table_of(run)][name] = run
    return Results(dict(runs), published)


def _require_name(path: Path, name: str) -> None:
    """A name becomes that of files: it must not lead out of their folder."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{path}: {name!r} cannot be the name of a table; letters, digits, '-', '_' and '.' "
            "can, behind a letter or digit"
        )


def _require_complete(path: Path, run: RunFile) -> None:
    lacking = {"name", "sha256", "images"} - set(run.split) if scored(run) else set()
    if lacking:
        problem = f"its split has no {', '.join(sorted(lacking))}"
    elif run.kind not in KINDS:
        problem = f"kind '{run.kind}' is none of {', '.join(KINDS)}"
    elif run.domain not in specs.INPUTS:
        problem = f"domain '{run.domain}' is none of {', '.join(specs.INPUTS)}"
    else:
        return
    raise UserError(f"{path}: {problem}; evaluate the run again, or delete the file")
