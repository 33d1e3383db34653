"""Run files as table rows: which table they are in, which may be compared, which are one row."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts.run_file import RunFile, canonical_sha256
from ..metrics.printed import order, printed, printed_reason
from . import specs

KINDS = ("ours", "peer", "baseline")


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
        values = [run.summary.get(subset, {}).get(metric) for run in self.runs.values()]
        numbers = [number for number in values if number is not None]
        if len(numbers) < len(values):
            return None
        std = statistics.stdev(numbers) if len(numbers) > 1 else None
        return Value(statistics.fmean(numbers), std)

    def reason(self, metric: str) -> str:
        """Why ``metric`` is not available, or an empty text when it was not asked for."""
        for run in self.runs.values():
            if metric in run.unavailable:
                return printed_reason(run.unavailable[metric])
        scored = any(
            metric in means for run in self.runs.values() for means in run.summary.values()
        )
        return "the run file gives no reason" if scored else ""


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

    Failed and diverged runs are never merged, nor are two runs with the same seed. Sorted by kind
    and protocol, then the best first, those without a number last.
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
            "config": settings_of(run.config),
            "test": [run.domain, run.dataset, dict(run.split), dict(run.metric_protocol)],
        }
    )


def settings_of(config: Any) -> Any:
    """Without seeds, and without the folders of weights' files, which differ between machines."""
    if not isinstance(config, Mapping):
        return config
    return {
        key: Path(item).name
        if key.endswith("_weights") and isinstance(item, str)
        else settings_of(item)
        for key, item in config.items()
        if key != "seed"
    }


def scored(run: RunFile) -> bool:
    """Whether the run has any number: one that failed before its evaluation has none."""
    return any(run.summary.values())


@dataclass(frozen=True)
class Group:
    """Runs of one table that may be compared, by file name.

    Attributes:
        runs: the first one states the most of the metric protocol.
        place: "1 of 2" where another group of the table has the same dataset and input.
        varying: entries of the metric protocol in which such groups differ.
    """

    runs: Mapping[str, RunFile]
    place: str = ""
    varying: tuple[str, ...] = ()

    @property
    def first(self) -> RunFile:
        """The run that states the most of the metric protocol."""
        return next(iter(self.runs.values()))

    @cached_property
    def rows(self) -> list[Row]:
        """The runs with those that differ in the seed alone as one row, the best first."""
        return merge_seeds(self.runs)


def comparable_groups(runs: Mapping[str, RunFile]) -> list[Group]:
    """The runs of one table, divided into those that may be compared.

    They share the dataset, what the networks are given (a run file's ``domain``), the test list,
    and every entry of the metric protocol that both state: a run with fewer metrics, or one that
    failed before it had any, joins the others. The split protocol does not divide them, it is a
    column: ``vcip-clean`` and ``vcip-official`` have one test list. The dataset from which runs
    have learnt comes first, and NIR before gray.
    """
    parts: dict[tuple[str, str], dict[str, RunFile]] = defaultdict(dict)
    for name, run in runs.items():
        parts[run.dataset, run.domain][name] = run
    learnt = {r.dataset for r in runs.values() if r.train_data.startswith(r.dataset)}

    def learnt_first(part: tuple[str, str]) -> tuple[bool, str, int]:
        dataset, domain = part
        return dataset not in learnt, dataset, list(specs.INPUTS).index(domain)

    return [group for part in sorted(parts, key=learnt_first) for group in _groups(parts[part])]


def _groups(runs: Mapping[str, RunFile]) -> list[Group]:
    def widest_first(name: str) -> tuple[bool, int, str]:
        return not scored(runs[name]), -len(runs[name].metric_protocol), name

    parts: list[tuple[str, dict[str, str], dict[str, RunFile]]] = []
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
    firsts = [next(iter(part.values())).metric_protocol for *_, part in parts]
    keys = {key for protocol in firsts for key in protocol}
    varying = tuple(sorted(k for k in keys if len({protocol.get(k) for protocol in firsts}) > 1))
    places = [f"{n} of {len(parts)}" if len(parts) > 1 else "" for n in range(1, len(parts) + 1)]
    return [Group(part, place, varying) for (*_, part), place in zip(parts, places, strict=True)]


def metrics_of(runs: Iterable[RunFile]) -> list[str]:
    """Every metric in the summaries of ``runs``, in the order of the columns."""
    names = {name for run in runs for means in run.summary.values() for name in means}
    return sorted(names, key=order)


def _rank(row: Row) -> tuple[Any, ...]:
    run = row.first
    names = metrics_of(row.runs.values())
    subset = specs.MAIN_SUBSET_OF.get(table_of(run), "all")
    value = row.value(subset if subset in run.summary else "all", names[0]) if names else None
    better = printed(names[0]).better if names else "closer"
    score = {"higher": -1, "lower": 1, "closer": 0}[better] * (value.mean if value else 0)
    place = (run.status != "ok" or value is None, score)
    return KINDS.index(run.kind), run.protocol, *place, run.recipe, tuple(row.runs)
