"""Run files and published rows as table rows: which share a table, which are one, which is best."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts.run_file import RunFile, canonical_sha256
from . import specs as specs
from .published import PublishedRow, PublishedTable, QuotedTables
from .render import NOTHING, Cell, Column, Grid

KINDS = ("ours", "peer", "baseline")
_BOLD = (
    "Bold: best of our rows and baselines with the same protocol and input, where there are at "
    "least two. Peers' pictures are not ranked: what their networks have seen is not ours to check."
)


class Value(NamedTuple):
    """Mean over seeds, and the sample standard deviation where there are several."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Row:
    """Runs of one experiment that differ in the seed alone, by file name."""

    runs: Mapping[str, RunFile]

    @property
    def first(self) -> RunFile:
        """Any of the runs: all but numbers and seed are alike."""
        return next(iter(self.runs.values()))

    def value(self, subset: str, metric: str) -> Value | None:
        """The number, None where any of the runs lacks it."""
        found = [run.summary.get(subset, {}).get(metric) for run in self.runs.values()]
        numbers = [number for number in found if number is not None]
        if len(numbers) < len(found):
            return None
        std = statistics.stdev(numbers) if len(numbers) > 1 else None
        return Value(statistics.fmean(numbers), std)

    def reason(self, metric: str) -> str:
        """Why ``metric`` is not available, or an empty text when it was not asked for."""
        for run in self.runs.values():
            if metric in run.unavailable:
                return run.unavailable[metric]
        asked = any(metric in means for run in self.runs.values() for means in run.summary.values())
        return "the run file gives no reason" if asked else ""

    def seeds(self, counted: bool = True) -> str:
        """How many seeds, "1 seed", "3 seeds", or which; nothing where none plays a part."""
        if self.first.seed is None:
            return NOTHING
        if not counted:
            return ", ".join(str(run.seed) for run in self.runs.values())
        return f"{len(self.runs)} seed{'s' if len(self.runs) > 1 else ''}"


def table_of(run: RunFile) -> str:
    """Name of the table that a run is printed in: its dataset, or a test list that papers use.

    ``imagenet`` tested on the list ``ctest10k`` is in ``imagenet-ctest10k``, with the papers;
    ``vcip`` scored on a fold of its training list is in ``vcip_folds``, away from test images. The
    recipes of the equal budget have one table for all their test sets.
    """
    if "part" in run.split:
        return specs.validation_table(run.dataset, run.split["part"])
    if run.recipe.startswith(specs.BUDGET_RECIPES):
        return specs.BUDGET
    listed = run.protocol.replace(" ", "-")
    return listed if listed in specs.PAPER_LISTS else run.dataset


def merge_seeds(runs: Mapping[str, RunFile]) -> list[Row]:
    """One row for runs that are alike but for the seed; every other run has a row of its own.

    Failed and diverged runs are never merged, nor are two runs with the same seed. Sorted by kind,
    protocol and input, then the best first, those without a number last.
    """
    groups: dict[str, dict[str, RunFile]] = defaultdict(dict)
    for name, run in runs.items():
        groups[_identity(run)][name] = run
    rows = []
    for group in groups.values():
        seeds = {run.seed for run in group.values()}
        ok = all(run.status == "ok" for run in group.values())
        if ok and None not in seeds and len(seeds) == len(group):
            rows.append(Row(dict(sorted(group.items()))))
        else:
            rows += [Row({name: run}) for name, run in sorted(group.items())]
    return sorted(rows, key=_rank)


def each_run(runs: Mapping[str, RunFile]) -> list[Row]:
    """Every run as a row, in the order of ``merge_seeds``."""
    return sorted((Row({name: run}) for name, run in runs.items()), key=_rank)


def _identity(run: RunFile) -> str:
    return canonical_sha256(
        {
            "method": [run.kind, run.method, run.recipe, run.parameters],
            "training": [run.protocol, run.train_data, run.steps, run.status],
            "config": _settings_of(run.config),
            "test": [run.domain, run.dataset, dict(run.split), dict(run.metric_protocol)],
        }
    )


def _settings_of(config: Any) -> Any:
    """Without seeds, and without the folders of weights' files, which differ between machines."""
    if not isinstance(config, Mapping):
        return config
    return {
        key: Path(item).name
        if key.endswith("_weights") and isinstance(item, str)
        else _settings_of(item)
        for key, item in config.items()
        if key != "seed"
    }


def scored(run: RunFile) -> bool:
    """Whether the run has any number: one that failed before its evaluation has none."""
    return any(run.summary.values())


def comparable_parts(runs: Mapping[str, RunFile]) -> list[dict[str, RunFile]]:
    """The runs of one dataset, parted into those that may share a table.

    They share the test list, and every entry of the metric protocol that both state: a run with
    fewer metrics, or one that failed before it had any, joins the others. The split protocol does
    not part them, it is a column: ``vcip-clean`` and ``vcip-official`` have one test list.
    """
    parts: list[tuple[str, dict[str, str], dict[str, RunFile]]] = []

    def widest_first(name: str) -> tuple[bool, int, str]:
        return not scored(runs[name]), -len(runs[name].metric_protocol), name

    for name in sorted(runs, key=widest_first):
        run = runs[name]
        own_list = run.split.get("sha256", "")
        for test_list, protocol, part in parts:
            shared = protocol.keys() & run.metric_protocol.keys()
            agree = all(protocol[key] == run.metric_protocol[key] for key in shared)
            if agree and (test_list == own_list or not scored(run)):
                protocol.update(run.metric_protocol)
                part[name] = run
                break
        else:
            parts.append((own_list, dict(run.metric_protocol), {name: run}))
    return [part for *_, part in parts]


@dataclass
class Notes:
    """Numbered texts below a table; the same text has one number."""

    texts: list[str] = field(default_factory=list)

    def number(self, *texts: str) -> tuple[int, ...]:
        """Numbers of the texts that are not empty."""
        found = []
        for text in filter(None, (" ".join(text.split()) for text in texts)):
            if text not in self.texts:
                self.texts.append(text)
            found.append(self.texts.index(text) + 1)
        return tuple(found)


def run_grid(
    runs: Mapping[str, RunFile],
    heading: str,
    telling: Iterable[str],
    headline: Sequence[str] | None = None,
    *,
    merged: bool = True,
    ranked: bool = True,
) -> Grid:
    """The table of one of ``comparable_parts``.

    Args:
        runs: by file name.
        heading: what sets them apart from other tables of the same test set.
        telling: entries of the metric protocol to print above the table.
        headline: metrics to print; the dataset's by default.
        merged: runs that differ in the seed alone are one row; else every run has its own.
        ranked: the best numbers are bold.
    """
    first = next(iter(runs.values()))  # states the most of the metric protocol
    subsets = subsets_of(runs.values())
    rows = merge_seeds(runs) if merged else each_run(runs)
    shown, missing = _split_metrics(rows, first.dataset, headline)
    context = _context(rows)
    varying = [head for head in context if len(set(context[head])) > 1]
    same = {head: texts[0] for head, texts in context.items() if head not in varying}
    told = [f"{head}: {text}" for head, text in same.items() if text != NOTHING]
    told += [f"{key}: {first.metric_protocol.get(key, 'not stated')}" for key in telling]
    notes = Notes()
    columns = [Column(head) for head in ("method", "kind", *varying)]
    columns += [Column("params (M)", numeric=True), Column("seeds" if merged else "seed")]
    columns += [
        Column(specs.label(name), label, numeric=True)
        for label in subsets.values()
        for name in shown
    ]
    numbers = [(subset, name) for subset in subsets for name in shown]
    best = _best(rows, numbers) if ranked else set()
    cells = [
        [
            _method(row, notes, merged),
            Cell(row.first.kind),
            *(Cell(context[head][i]) for head in varying),
        ]
        + [Cell(_millions(row.first.parameters)), Cell(row.seeds(merged))]
        + [_number(row, i, subset, name, best, notes) for subset in subsets for name in shown]
        for i, row in enumerate(rows)
    ]
    lines = [f"{'. '.join([_test_list(first), *told])}.", *missing]
    return Grid(
        heading=heading,
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
        "input": [row.first.domain for row in rows],
        "protocol": [row.first.protocol or NOTHING for row in rows],
        "trained on": [row.first.train_data or NOTHING for row in rows],
        "settings": _settings(rows),
    }


def _settings(rows: Sequence[Row]) -> list[str]:
    """For rows of one recipe, in what their settings differ: ``method.shift=2``."""
    by_recipe: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    flat = [_flat(_settings_of(row.first.config)) for row in rows]
    for row, settings in zip(rows, flat, strict=True):
        by_recipe[row.first.recipe].append(settings)
    texts = []
    for row, settings in zip(rows, flat, strict=True):
        among = by_recipe[row.first.recipe]
        told = ", ".join(f"{name}={settings.get(name, NOTHING)}" for name in _telling(among))
        texts.append(told if row.first.recipe and told else NOTHING)
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


def _number(
    row: Row, index: int, subset: str, name: str, best: set[tuple[int, str, str]], notes: Notes
) -> Cell:
    value = row.value(subset, name)
    if value is None:
        reason = row.reason(name)
        if not reason or subset not in row.first.summary:
            return Cell()
        return Cell("n/a", notes=notes.number(f"{name}: {reason}"))
    text = specs.metric(name).text(value.mean)
    if value.std is not None:
        text += f" ± {specs.metric(name).text(value.std)}"
    return Cell(text, bold=(index, subset, name) in best)


def _millions(parameters: int | None) -> str:
    if parameters is None:
        return NOTHING
    return f"{parameters / 1e6:.2f}" if parameters >= 100_000 else f"{parameters / 1e6:.2g}"


def subsets_of(runs: Iterable[RunFile]) -> dict[str, str]:
    """Subset -> label, of those that the dataset's table prints; ``all`` first."""
    runs = list(runs)
    found = {subset for run in runs for subset in run.summary} | {"all"}
    printed = specs.SUBSETS_OF.get(table_of(runs[0]))
    if printed:
        return {subset: label for subset, label in printed.items() if subset in found}
    ordered = sorted(found, key=lambda subset: (subset != "all", subset))
    return {subset: subset.replace("_", " ") if len(found) > 1 else "" for subset in ordered}


def metrics_of(runs: Iterable[RunFile]) -> list[str]:
    """Every metric in the summaries of ``runs``, in the order of the columns."""
    names = {name for run in runs for means in run.summary.values() for name in means}
    return sorted(names, key=specs.order)


def _split_metrics(
    rows: Sequence[Row], dataset: str, headline: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Metrics to print; and a line for each of them that no row has, which gets no column."""
    headline = headline or specs.HEADLINE_OF.get(dataset, specs.HEADLINE)
    known = metrics_of(run for row in rows for run in row.runs.values())
    wanted = [name for name in known if name in headline] or known
    shown, missing = [], []
    for name in wanted:
        if any(row.value(subset, name) for row in rows for subset in row.first.summary):
            shown.append(name)
        else:
            reasons = dict.fromkeys(row.reason(name) for row in rows if row.reason(name))
            missing.append(f"{name}: n/a ({'; '.join(reasons)}).")
    return shown, missing


def _rank(row: Row) -> tuple[Any, ...]:
    run = row.first
    names = metrics_of(row.runs.values())
    subset = specs.MAIN_SUBSET_OF.get(table_of(run), "all")
    value = row.value(subset if subset in run.summary else "all", names[0]) if names else None
    better = specs.metric(names[0]).better if names else ""
    score = {"higher": -1, "lower": 1, "": 0}[better] * (value.mean if value else 0)
    place = (run.status != "ok" or value is None, score)
    return KINDS.index(run.kind), run.protocol, run.domain, *place, run.recipe, tuple(row.runs)


def _best(rows: Sequence[Row], columns: Iterable[tuple[str, str]]) -> set[tuple[int, str, str]]:
    """(row, subset, metric) of the best printed numbers; ties are all best."""
    best = set()
    for subset, name in columns:
        groups: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        for i, row in enumerate(rows):
            value = row.value(subset, name)
            if row.first.status == "ok" and row.first.kind != "peer" and value:
                group = groups[row.first.protocol, row.first.domain]
                group[i] = round(value.mean, specs.metric(name).digits)
        better = specs.metric(name).better
        for group in groups.values():
            if better and len(group) > 1:
                top = (max if better == "higher" else min)(group.values())
                best |= {(i, subset, name) for i, value in group.items() if value == top}
    return best


def published_grids(table: PublishedTable, published: QuotedTables) -> list[Grid]:
    """The quoted rows of a test set, one grid a protocol; the caution stands above the first."""
    by_protocol: dict[str, list[PublishedRow]] = defaultdict(list)
    for row in table.rows:
        by_protocol[row.protocol].append(row)
    cautions = [table.comparable] + [""] * len(by_protocol)
    return [
        _published_grid(rows, published, caution)
        for rows, caution in zip(by_protocol.values(), cautions, strict=False)
    ]


def _published_grid(rows: Sequence[PublishedRow], published: QuotedTables, caution: str) -> Grid:
    protocol = rows[0].protocol
    metrics = sorted({name for row in rows for name in row.metrics}, key=specs.order)
    notes = Notes()
    columns = [Column("method"), Column("year", numeric=True), Column("params (M)", numeric=True)]
    columns += [Column(specs.label(name), numeric=True) for name in metrics]
    columns += [Column("source"), Column("protocol"), Column("read as")]
    cells = [
        [
            Cell(row.method, notes=notes.number(row.note)),
            Cell(str(row.year or NOTHING)),
            Cell(row.params_M or NOTHING),
            *(Cell(row.metrics.get(name, NOTHING)) for name in metrics),
            Cell(row.source),
            Cell(row.protocol),
            Cell(published.provenance[row.provenance].partition(":")[0]),
        ]
        for row in rows
    ]
    sources = dict.fromkeys(row.source for row in rows)
    tags = dict.fromkeys(row.provenance for row in rows)
    return Grid(
        heading=f"Published, protocol {protocol}",
        columns=columns,
        rows=cells,
        lines=[
            *filter(None, [caution]),
            f"Protocol: {published.protocols[protocol]}.",
            "Sources: " + "; ".join(f"{key}: {published.sources[key]}" for key in sources) + ".",
            "Read as " + "; ".join(published.provenance[tag] for tag in tags) + ".",
        ],
        notes=notes.texts,
    )
