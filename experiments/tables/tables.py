"""The results tables: a pure function of ``results/runs/*.json`` and ``results/published.json``.

One table is one test set. Rows that differ in input, test list or metric protocol stand in separate
grids of it, and what papers print stands beneath, apart from what was measured here. Each table
exists as ``results/tables/<name>.md``, ``.tex`` and ``.csv`` (a CSV an input), and in the README
between the lines ``<!-- table:<name> -->`` and ``<!-- /table -->``. ``vcip-summary`` is a block of
README alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.errors import UserError, unknown
from . import specs
from .documents import make_documents
from .load import load_results
from .render import Document, Grid, csv_text, latex, markdown

_BLOCK = re.compile(
    r"^[ \t]*<!--\s*table:\s*(?P<name>\S+)\s*-->[ \t]*$.*?"
    r"(?P<end>^[ \t]*<!--\s*/table\s*-->[ \t]*$|(?=^[ \t]*<!--\s*table:)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SUFFIXES = (".md", ".tex", ".csv")
_HEAD = "<!-- Written by `crosschroma table`, do not edit. -->\n\n"


def generate(results: Path, readme: Path | None = None) -> dict[Path, str]:
    """The text of every table file that has a row, and of ``readme`` with its blocks filled.

    Raises:
        UserError: when a run file or ``published.json`` is broken, or there is nothing to print;
            ``readme`` cannot be read, names an unknown table or leaves a block open.
    """
    documents = make_documents(load_results(results))
    files = {}
    for name, document in documents.items():
        if document.records:
            for ending, records in document.records.items():
                files[results / f"tables/{name}{ending}.csv"] = csv_text(records)
            text = markdown(document, runs_at="../runs", level=1)
            files[results / f"tables/{name}.md"] = _HEAD + text
            files[results / f"tables/{name}.tex"] = latex(document)
    if not files:
        raise UserError(
            f"{results / 'runs'} holds no run file; `crosschroma evaluate RUN` and "
            "`crosschroma score DIR` write them"
        )
    if readme is not None:
        files[readme] = _filled(readme, results, documents)
    return files


def write_tables(results: Path, readme: Path | None) -> list[Path]:
    """Write all table files, and fill the blocks of ``readme``; nothing when anything is wrong.

    Returns:
        The files that changed.

    Raises:
        UserError: as ``generate``.
    """
    changed = []
    for path, text in generate(results, readme).items():
        if not path.exists() or path.read_text() != text:
            write_text_atomic(path, text)
            changed.append(path)
    return changed


def check_tables(results: Path, readme: Path | None) -> list[str]:
    """What differs from ``write_tables``'s output, one text a file; empty when all is in order."""
    expected = generate(results, readme)
    problems = [text for path, content in expected.items() if (text := _difference(path, content))]
    there = (results / "tables").glob("*")
    stale = sorted(p for p in there if p.suffix in _SUFFIXES and p not in expected)
    return problems + [
        f"{path}: no run file or published table gives it; delete it" for path in stale
    ]


def _difference(path: Path, expected: str) -> str:
    if not path.exists():
        return f"{path}: missing; run `crosschroma table`"
    present = path.read_text()
    pairs = zip_longest(present.splitlines(), expected.splitlines(), fillvalue="(no line)")
    for number, (old, new) in enumerate(pairs, 1):
        if old != new:
            return f"{path}:{number}: {_around(old, new)}; run `crosschroma table`"
    return "" if present == expected else f"{path}: line ends differ; run `crosschroma table`"


def _around(old: str, new: str) -> str:
    """Both lines from shortly before the first character that differs: rows can be long."""
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    start = max(0, same - 20)
    return f"has '{old[start : start + 60]}' where the results say '{new[start : start + 60]}'"


def _filled(readme: Path, results: Path, documents: Mapping[str, Document]) -> str:
    runs_at, tables_at = (
        Path(os.path.relpath(results / folder, readme.parent)).as_posix()
        for folder in ("runs", "tables")
    )
    try:
        text = readme.read_text()
    except OSError as error:
        raise UserError(f"cannot read {readme}: {error.strerror or error}") from error

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in documents:
            raise UserError(f"{readme}: {unknown('table', name, documents)}")
        if not match["end"]:
            raise UserError(f"{readme}: <!-- table:{name} --> has no <!-- /table --> after it")
        body = markdown(_brief(documents[name]), runs_at=runs_at, level=0)
        page = documents[name].page or name
        whole = f"[{results.name}/tables/{page}.md]({tables_at}/{page}.md)"
        more = f"All columns, how pixels became numbers, LaTeX and CSV: {whole}."
        return f"<!-- table:{name} -->\n\n{body}\n{more}\n\n<!-- /table -->"

    return _BLOCK.sub(block, text)


def _brief(document: Document) -> Document:
    """A document as README shows it: fewer subsets, no details."""
    name = document.page or document.name
    subsets = specs.SUBSETS_OF.get(name, {})
    kept = specs.README_SUBSETS_OF.get(name, tuple(subsets))
    hidden = {label for subset, label in subsets.items() if subset not in kept}

    def brief(grid: Grid) -> Grid:
        places = [i for i, column in enumerate(grid.columns) if column.group not in hidden]
        return replace(
            grid,
            columns=[grid.columns[i] for i in places],
            rows=[[row[i] for i in places] for row in grid.rows],
            details=[],
        )

    return replace(document, grids=[brief(grid) for grid in document.grids if grid.brief])
