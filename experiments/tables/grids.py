"""A grid of comparable rows: which columns, which numbers are best, what the notes say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..artifacts.run_file import RunFile
from ..metrics.printed import label, printed
from . import specs
from .render import NOTHING, Cell, Column, Grid, Notes
from .rows import Group, Row, each_run, metrics_of, settings_of, table_of

_BOLD = (
    "Bold: best of our rows and baselines with the same protocol, where there are two or more, one "
    "of them ours. Peers' pictures are not ranked: what their networks saw is not ours to check."
)
_CONTEXT = ("protocol", "trained on", "settings")


def run_grid(
    group: Group,
    heading: str,
    metrics: Sequence[str] | None = None,
    context: Sequence[str] = _CONTEXT,
    *,
    merged: bool = True,
    ranked: bool = True,
) -> Grid:
    """The table of runs that may be compared.

    Args:
        group: the runs.
        heading: what sets them apart from other tables of the same test set.
        metrics: those to print; the dataset's by default.
        context: what is said of a row besides: in a column, or above the table if all are alike.
        merged: runs that differ in the seed alone are one row; else every run has its own.
        ranked: the best numbers are bold.
    """
    first, subsets = group.first, _subsets(group.runs.values())
    rows = group.rows if merged else each_run(group.runs)
    shown, missing = _split_metrics(rows, first.dataset, metrics)
    texts = {head: text for head, text in _context(rows).items() if head in context}
    varying = [head for head in texts if len(set(texts[head])) > 1]
    same = {head: text[0] for head, text in texts.items() if head not in varying}
    facts = [f"{head}: {text}" for head, text in same.items() if text != NOTHING]
    facts += [f"{key}: {first.metric_protocol.get(key, 'not stated')}" for key in group.varying]
    notes = Notes()
    columns = [Column(head) for head in ("method", "kind", *varying)]
    columns += [Column("params (M)", numeric=True), Column("seeds" if merged else "seed")]
    columns += [
        Column(label(name), group, numeric=True) for group in subsets.values() for name in shown
    ]
    numbers = [(subset, name) for subset in subsets for name in shown]
    best = _best(rows, numbers) if ranked else set()
    cells = [
        [_method(row, notes, merged), Cell(row.first.kind)]
        + [Cell(texts[head][i]) for head in varying]
        + [Cell(_millions(row.first.parameters)), Cell(_seeds(row, merged))]
        + [_number(row, subset, name, (i, subset, name) in best, notes) for subset, name in numbers]
        for i, row in enumerate(rows)
    ]
    name, meaning = specs.INPUTS[first.domain]
    lines = [meaning, f"{'. '.join([_test_list(first), *facts])}.", *missing]
    return Grid(
        heading=f"{heading}, input {name}",
        columns=columns,
        rows=cells,
        lines=[*lines, _BOLD] if best else lines,
        notes=notes.texts,
        details=[f"{name}: {text}" for name, text in sorted(first.metric_protocol.items())],
    )


def _test_list(run: RunFile) -> str:
    if not run.split:
        return "Test list not recorded"
    images = run.split["images"]
    kind = "Validation list" if "part" in run.split else "Test list"
    return f"{kind} `{run.split['name']}`: {images} images, sha256 {run.split['sha256'][:12]}"


def _context(rows: Sequence[Row]) -> dict[str, list[str]]:
    return {
        "protocol": [row.first.protocol or NOTHING for row in rows],
        "trained on": [row.first.train_data or NOTHING for row in rows],
        "settings": _settings(rows),
    }


def _settings(rows: Sequence[Row]) -> list[str]:
    """For rows of one recipe, in what their settings differ: ``method.shift=2``."""
    by_recipe: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    flat = [_flat(settings_of(row.first.config)) for row in rows]
    for row, settings in zip(rows, flat, strict=True):
        by_recipe[row.first.recipe].append(settings)
    texts = []
    for row, settings in zip(rows, flat, strict=True):
        among = by_recipe[row.first.recipe]
        text = ", ".join(f"{name}={settings.get(name, NOTHING)}" for name in _telling(among))
        texts.append(text if row.first.recipe and text else NOTHING)
    return texts


def _telling(among: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of settings that differ; of parts of different types the type alone."""
    names = sorted({name for settings in among for name in settings})
    differ = [n for n in names if len({settings.get(n) for settings in among}) > 1]
    parts = tuple(name.removesuffix("type") for name in differ if name.endswith(".type"))
    return [n for n in differ if n.endswith(".type") or not n.startswith(parts)]


def _flat(config: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(config, Mapping):
        return {prefix: str(config)}
    path = f"{prefix}." if prefix else ""
    return {n: t for key, item in config.items() for n, t in _flat(item, f"{path}{key}").items()}


def _method(row: Row, notes: Notes, merged: bool) -> Cell:
    run = row.first
    failed = "" if run.status == "ok" else f" ({run.status})"
    unexplained = f"{run.status}; the run file gives no reason" if failed and not run.note else ""
    dirty = any(other.dirty for other in row.runs.values())
    texts = dict.fromkeys(other.note for other in row.runs.values())
    numbers = notes.number(
        unexplained,
        *texts,
        _cut_off(run),
        "measured with uncommitted changes in the code" if dirty else "",
    )
    name = run.recipe or run.method if merged else next(iter(row.runs))
    return Cell(f"{name}{failed}", notes=numbers, runs=tuple(row.runs))


def _cut_off(run: RunFile) -> str:
    """That the last weights are those of a training that was stopped; best ones may be any."""
    training = run.config.get("training", {})
    planned = training.get("steps")
    if training.get("result") != "last" or not run.steps or not planned or run.steps >= planned:
        return ""
    return f"training was stopped after {run.steps} of {planned} steps"


def _number(row: Row, subset: str, name: str, bold: bool, notes: Notes) -> Cell:
    value = row.value(subset, name)
    if value is None:
        reason = row.reason(name)
        if not reason or subset not in row.first.summary:
            return Cell()
        return Cell("n/a", notes=notes.number(f"{name}: {reason}"))
    text = printed(name).text(value.mean)
    if value.std is not None:
        text += f" ± {printed(name).text(value.std)}"
    return Cell(text, bold=bold)


def _seeds(row: Row, counted: bool) -> str:
    """How many seeds, "1 seed", "3 seeds", or which; nothing where none plays a part."""
    if row.first.seed is None:
        return NOTHING
    if not counted:
        return ", ".join(str(run.seed) for run in row.runs.values())
    return f"{len(row.runs)} seed{'s' if len(row.runs) > 1 else ''}"


def _millions(parameters: int | None) -> str:
    if parameters is None:
        return NOTHING
    return f"{parameters / 1e6:.2f}" if parameters >= 100_000 else f"{parameters / 1e6:.2g}"


def _subsets(runs: Iterable[RunFile]) -> dict[str, str]:
    """Subset -> label, of those that the dataset's table prints; ``all`` first."""
    runs = list(runs)
    names = {subset for run in runs for subset in run.summary} | {"all"}
    printed = specs.SUBSETS_OF.get(table_of(runs[0]))
    if printed:
        return {subset: label for subset, label in printed.items() if subset in names}
    ordered = sorted(names, key=lambda subset: (subset != "all", subset))
    return {subset: subset.replace("_", " ") if len(names) > 1 else "" for subset in ordered}


def _split_metrics(
    rows: Sequence[Row], dataset: str, headline: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Metrics to print; and lines on those that no row has, which get no column."""
    headline = headline or specs.HEADLINE_OF.get(dataset, specs.HEADLINE)
    known = metrics_of(run for row in rows for run in row.runs.values())
    shown: list[str] = []
    missing: dict[str, list[str]] = defaultdict(list)
    for name in [name for name in known if name in headline] or known:
        if any(row.value(subset, name) for row in rows for subset in row.first.summary):
            shown.append(name)
        else:
            reasons = dict.fromkeys(row.reason(name) for row in rows if row.reason(name))
            missing["; ".join(reasons)].append(name)
    return shown, [f"{', '.join(names)}: {reason}." for reason, names in missing.items()]


def _best(rows: Sequence[Row], columns: Iterable[tuple[str, str]]) -> set[tuple[int, str, str]]:
    """(row, subset, metric) of the best printed numbers; ties are all best."""
    best = set()
    for subset, name in columns:
        groups: dict[str, dict[int, float]] = defaultdict(dict)
        for i, row in enumerate(rows):
            value = row.value(subset, name)
            if row.first.status == "ok" and row.first.kind != "peer" and value:
                groups[row.first.protocol][i] = round(value.mean, printed(name).digits)
        better = printed(name).better
        for group in groups.values():
            ours = any(rows[i].first.kind == "ours" for i in group)
            if better != "closer" and ours and len(group) > 1:
                top = (max if better == "higher" else min)(group.values())
                best |= {(i, subset, name) for i, value in group.items() if value == top}
    return best
