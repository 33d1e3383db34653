"""The results tables: a pure function of ``results/runs/*.json`` and ``results/published.json``.

One table is one test set. Rows that differ in test list or metric protocol stand in separate grids
of it, and what papers print stands beneath, apart from what was measured here. Each table exists
as ``results/tables/<name>.md``, ``.tex`` and ``.csv``, and in the README between the lines
``<!-- table:<name> -->`` and ``<!-- /table -->``.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.errors import UserError, unknown
from ..artifacts.run_file import RunFile, load_all
from . import specs as specs
from .budget import budget_grids, budget_lines, by_dataset, seconds_per_step
from .published import PublishedRow, QuotedTables, load_published
from .render import Document, Grid, latex, markdown
from .rows import (
    KINDS,
    comparable_parts,
    merge_seeds,
    metrics_of,
    published_grids,
    run_grid,
    scored,
    table_of,
)

_BLOCK = re.compile(
    r"^[ \t]*<!--\s*table:\s*(?P<name>\S+)\s*-->[ \t]*$.*?"
    r"(?P<end>^[ \t]*<!--\s*/table\s*-->[ \t]*$|(?=^[ \t]*<!--\s*table:)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SUFFIXES = (".md", ".tex", ".csv")


def generate(results: Path) -> dict[str, str]:
    """All table files that have a row, by path relative to ``results``.

    Raises:
        UserError: when a run file or ``published.json`` is broken, or there is nothing to print.
    """
    data = _load(results)
    if not data.runs and not data.published.tables:
        raise UserError(
            f"{results / 'runs'} holds no run file; `crosschroma evaluate RUN` and "
            "`crosschroma score DIR` write them"
        )
    files = {}
    for name in sorted(data.filled()):
        document = data.document(name)
        head = "<!-- Written by `crosschroma table`, do not edit. -->\n\n"
        files[f"tables/{name}.csv"] = data.csv(name)
        files[f"tables/{name}.md"] = head + markdown(document, runs_at="../runs", level=1)
        files[f"tables/{name}.tex"] = latex(document)
    return files


def write(results: Path, readme: Path | None) -> list[Path]:
    """Write all table files, and fill the blocks of ``readme``; nothing when anything is wrong.

    Returns:
        The files that changed.

    Raises:
        UserError: as ``generate``; or ``readme`` names an unknown table or leaves a block open.
    """
    changed = []
    for path, text in _wanted(results, readme).items():
        if not path.exists() or path.read_text() != text:
            write_text_atomic(path, text)
            changed.append(path)
    return changed


def check(results: Path, readme: Path | None) -> list[str]:
    """What differs from ``write``'s output, one text a file; empty when all is in order."""
    wanted = _wanted(results, readme)
    problems = [text for path, want in wanted.items() if (text := _difference(path, want))]
    there = (results / "tables").glob("*")
    stale = sorted(p for p in there if p.suffix in _SUFFIXES and p not in wanted)
    return problems + [
        f"{path}: no run file or published table gives it; delete it" for path in stale
    ]


def _difference(path: Path, want: str) -> str:
    if not path.exists():
        return f"{path}: missing; run `crosschroma table`"
    have = path.read_text()
    pairs = zip_longest(have.splitlines(), want.splitlines(), fillvalue="(no line)")
    for number, (old, new) in enumerate(pairs, 1):
        if old != new:
            return f"{path}:{number}: {_around(old, new)}; run `crosschroma table`"
    return "" if have == want else f"{path}: line ends differ; run `crosschroma table`"


def _around(old: str, new: str) -> str:
    """Both lines from shortly before the first character that differs: rows can be long."""
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    start = max(0, same - 20)
    return f"has '{old[start : start + 60]}' where the results say '{new[start : start + 60]}'"


def _wanted(results: Path, readme: Path | None) -> dict[Path, str]:
    files = {results / name: text for name, text in generate(results).items()}
    if readme is not None:
        files[readme] = fill(readme, results)
    return files


def fill(readme: Path, results: Path) -> str:
    """The text of ``readme`` with every table block up to date.

    Raises:
        UserError: when ``readme`` cannot be read, names an unknown table or leaves a block open.
    """
    data = _load(results)
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
        if name not in data.names():
            raise UserError(f"{readme}: {unknown('table', name, data.names())}")
        if not match["end"]:
            raise UserError(f"{readme}: <!-- table:{name} --> has no <!-- /table --> after it")
        body = markdown(_brief(data.document(name)), runs_at=runs_at, level=0)
        whole = f"[{results.name}/tables/{name}.md]({tables_at}/{name}.md)"
        more = f"All columns, how pixels became numbers, LaTeX and CSV: {whole}."
        return f"<!-- table:{name} -->\n\n{body}\n{more}\n\n<!-- /table -->"

    return _BLOCK.sub(block, text)


def _brief(document: Document) -> Document:
    """A document as README shows it: fewer subsets, no details."""
    subsets = specs.SUBSETS_OF.get(document.name, {})
    kept = specs.README_SUBSETS_OF.get(document.name, tuple(subsets))
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


class _Results:
    """All that a results folder holds."""

    def __init__(self, runs: Mapping[str, RunFile], published: QuotedTables) -> None:
        self.published = published
        self.runs: dict[str, dict[str, RunFile]] = defaultdict(dict)
        for name, run in runs.items():
            self.runs[table_of(run)][name] = run

    def filled(self) -> set[str]:
        """Tables with at least one row."""
        return {*self.runs, *self.published.tables}

    def names(self) -> set[str]:
        return self.filled() | set(specs.TITLES)

    def document(self, name: str) -> Document:
        table = self.published.tables.get(name)
        grids = self._run_grids(name)
        lines = specs.cautions(name)
        if name == specs.BUDGET:
            lines += budget_lines(self.runs.get(name, {}))
        if not grids and name in specs.TITLES:
            lines.append("No run on this test set is recorded yet.")
        if table:
            grids += published_grids(table, self.published)
        title = specs.title(name) or (table.title if table else name)
        return Document(name, title, lines, grids)

    def _run_grids(self, name: str) -> list[Grid]:
        if name == specs.BUDGET:
            return budget_grids(self.runs.get(name, {}))
        parts = comparable_parts(self.runs.get(name, {}))
        protocols = [next(iter(part.values())).metric_protocol for part in parts]
        keys = {key for protocol in protocols for key in protocol}
        telling = sorted(k for k in keys if len({protocol.get(k) for protocol in protocols}) > 1)
        if any("part" in run.split for part in parts for run in part.values()):
            return [grid for part in parts for grid in _validation_grids(part, telling)]
        apart = "" if len(parts) == 1 else ", {} of {}: not comparable with the others"
        grids = [
            run_grid(part, f"Measured here{apart.format(number, len(parts))}", telling)
            for number, part in enumerate(parts, 1)
        ]
        return grids + [_other_convention(name, part) for part in parts if _has_other(name, part)]

    def csv(self, name: str) -> str:
        """One line a row, every metric of every subset; published figures in columns of their own.

        Numbers have six digits. Lines with different numbers in the column ``comparable`` differ
        in test list or metric protocol.
        """
        table = self.published.tables.get(name)
        tested = by_dataset(self.runs.get(name, {})).values()
        parts = [part for runs in tested for part in comparable_parts(runs)]
        lines = [line for i, part in enumerate(parts, 1) for line in _csv_runs(part, i)]
        lines += [_csv_published(row, name) for row in (table.rows if table else ())]
        out = io.StringIO()
        heads = dict.fromkeys(head for line in lines for head in line)
        writer = csv.DictWriter(out, list(heads), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return out.getvalue()


def _validation_grids(runs: Mapping[str, RunFile], telling: Sequence[str]) -> list[Grid]:
    """Runs scored on one fold, seeds together; and where that hides any, each on its own."""
    fold = next(iter(runs.values())).split["name"]
    together = run_grid(runs, f"Measured here, {fold}", telling)
    if len(together.rows) == len(runs):
        return [together]
    heading = f"Measured here, {fold}: every seed"
    alone = run_grid(runs, heading, telling, merged=False)
    return [together, replace(alone, lines=(), details=(), brief=False)]


def _has_other(name: str, runs: Mapping[str, RunFile]) -> bool:
    wanted, _ = specs.CONVENTION_OF.get(name, ((), ""))
    return any(metric in run.summary.get("all", {}) for run in runs.values() for metric in wanted)


def _other_convention(name: str, runs: Mapping[str, RunFile]) -> Grid:
    """The runs that were scored in a dataset's second convention, too."""
    wanted, line = specs.CONVENTION_OF[name]
    runs = {n: run for n, run in runs.items() if wanted[0] in run.summary.get("all", {})}
    grid = run_grid(runs, "Measured here, ground truth stretched", [], wanted)
    return replace(grid, lines=[line, *grid.lines], details=[], brief=False)


def _csv_runs(runs: Mapping[str, RunFile], number: int) -> list[dict[str, object]]:
    lines = []
    for row in merge_seeds(runs):
        run = row.first
        line: dict[str, object] = {
            "kind": run.kind,
            "method": run.method,
            "recipe": run.recipe,
            "input": run.domain,
            "dataset": run.dataset,
            "protocol": run.protocol,
            "split": run.split.get("name"),
            "trained_on": run.train_data,
            "parameters": run.parameters,
            "seeds": len(row.runs) if run.seed is not None else None,
            "status": run.status,
            "comparable": number,
            "source": " ".join(f"runs/{name}.json" for name in row.runs),
            "note": run.note,
        }
        if run.cost:
            line |= {f"{name} of a picture": value for name, value in run.cost.items()}
            line["s of a training step"] = seconds_per_step(run)
        for subset in run.summary:
            for metric in metrics_of(row.runs.values()):
                value = row.value(subset, metric)
                line[f"{metric} {subset}"] = f"{value.mean:.6g}" if value else "n/a"
                if value and value.std is not None:
                    line[f"{metric} {subset} std"] = f"{value.std:.6g}"
        lines.append(line)
    return lines


def _csv_published(row: PublishedRow, dataset: str) -> dict[str, object]:
    line: dict[str, object] = {
        "kind": "published",
        "method": row.method,
        "dataset": dataset,
        "protocol": row.protocol,
        "source": row.source,
        "note": row.note,
        "year": row.year,
        "provenance": row.provenance,
        "published params (M)": row.params_M,
    }
    return line | {f"published {metric}": text for metric, text in row.metrics.items()}


def _load(results: Path) -> _Results:
    if not results.is_dir():
        raise UserError(f"no results folder {results}; name the one that holds runs/*.json")
    path = results / "published.json"
    published = load_published(path)
    if specs.GENERATED in published.tables:
        raise UserError(
            f"{path}: '{specs.GENERATED}' are generated images; no paper has a table of them"
        )
    runs = load_all(results / "runs")
    for name, run in runs.items():
        _require_complete(results / "runs" / f"{name}.json", run)
    return _Results(runs, published)


def _require_complete(path: Path, run: RunFile) -> None:
    lacking = {"name", "sha256", "images"} - set(run.split) if scored(run) else set()
    if lacking:
        problem = f"its split has no {', '.join(sorted(lacking))}"
    elif run.kind not in KINDS:
        problem = f"kind '{run.kind}' is none of {', '.join(KINDS)}"
    else:
        return
    raise UserError(f"{path}: {problem}; evaluate the run again, or delete the file")
