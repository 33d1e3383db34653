"""Everything that is printed of one test set: its grids, and a record a row for the CSV."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from ..artifacts.run_file import RunFile
from . import specs
from .budget import budget_grids, budget_lines, seconds_per_step
from .grids import run_grid
from .load import Results
from .published import published_grids, published_records
from .render import Document, Grid, Record
from .rows import Group, comparable_groups, metrics_of
from .summary import summary_document


def make_documents(results: Results) -> dict[str, Document]:
    """Every table by name, those included that have a title and no row yet."""
    names = {*results.runs, *results.published.tables, *specs.TITLES}
    documents = {name: _document(name, results) for name in sorted(names - {specs.SUMMARY})}
    return documents | {specs.SUMMARY: summary_document(results)}


def _document(name: str, results: Results) -> Document:
    runs, table = results.runs.get(name, {}), results.published.tables.get(name)
    groups = comparable_groups(runs)
    lines = specs.cautions(name)
    if name == specs.BUDGET:
        grids = budget_grids(groups)
        lines += budget_lines(runs)
    else:
        grids = [grid for group in groups for grid in _grids(name, group)]
    if not grids and name in specs.TITLES:
        lines.append("No run on this test set is recorded yet.")
    if len({group.first.domain for group in groups}) > 1:
        lines.append(specs.SEVERAL_INPUTS)
    records: dict[str, list[Record]] = defaultdict(list)
    for number, group in enumerate(groups, 1):
        other = group.first.domain != groups[0].first.domain
        records[f"_{group.first.domain}_input" if other else ""] += _records(group, number)
    if table:
        grids += published_grids(table, results.published)
        records[""] += published_records(table, name)
    title = specs.title(name) or (table.title if table else name)
    return Document(name, title, lines, grids, records=records)


def _grids(name: str, group: Group) -> list[Grid]:
    if any("part" in run.split for run in group.runs.values()):
        return _validation_grids(group)
    place = f", {group.place}: not comparable with the others" if group.place else ""
    grids = [run_grid(group, f"Measured here{place}")]
    metrics, line = specs.CONVENTION_OF.get(name, ((), ""))
    other = {n: run for n, run in group.runs.items() if _has(run, metrics)}
    if other:
        grid = run_grid(Group(other), "Measured here, ground truth stretched", metrics)
        grids.append(replace(grid, lines=[line, *grid.lines], details=[], brief=False))
    return grids


def _has(run: RunFile, metrics: tuple[str, ...]) -> bool:
    return any(metric in run.summary.get("all", {}) for metric in metrics)


def _validation_grids(group: Group) -> list[Grid]:
    """Runs scored on one fold, seeds together; and where that hides any, each on its own."""
    heading = f"Measured here, {group.first.split['name']}"
    together = run_grid(group, heading)
    if len(together.rows) == len(group.runs):
        return [together]
    alone = run_grid(group, f"{heading}: every seed", merged=False)
    return [together, replace(alone, lines=(), details=(), brief=False)]


def _records(group: Group, number: int) -> list[Record]:
    """A record a row, with every metric of every subset in six digits.

    Records with different numbers under ``comparable`` do not compare.
    """
    records = []
    for row in group.rows:
        run = row.first
        record: Record = {
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
            record |= {f"{name} of a picture": value for name, value in run.cost.items()}
            record["s of a training step"] = seconds_per_step(run)
        for subset in run.summary:
            for metric in metrics_of(row.runs.values()):
                value = row.value(subset, metric)
                record[f"{metric} {subset}"] = f"{value.mean:.6g}" if value else "n/a"
                if value and value.std is not None:
                    record[f"{metric} {subset} std"] = f"{value.std:.6g}"
        records.append(record)
    return records
