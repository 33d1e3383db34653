"""The short table of README: VCIP's test images, NIR input, a row a method beside the peers'."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from ..artifacts.run_file import RunFile
from . import specs
from .grids import run_grid
from .load import Results
from .render import Document
from .rows import Group, Row, comparable_groups

_DATASET, _PROTOCOL = "vcip", "vcip-clean"
MAX_ROWS = 8  # without the peers'
_RULE = (
    f"One row a method, chosen by no test score: trained under `{_PROTOCOL}`, that is without the "
    "scenes of the test images, before `vcip-official`; then the most seeds; then the highest PSNR "
    "of the same weights on validation images. Peers are pictures that their authors published, "
    "scored here like ours. The scene-disjoint 14 images are in no training list; of the others, "
    "`vcip-official` has the pairs or the scenes."
)


def summary_document(results: Results) -> Document:
    """The table, whose rows are all in that of the dataset."""
    groups = comparable_groups(results.runs.get(_DATASET, {}))
    groups = [group for group in groups if group.first.domain == "nir"]
    rows = chosen_rows(groups[0].rows, _validated(results)) if groups else []
    chosen = {name for row in rows for name in row.runs}
    lines, grids = ["No run is recorded yet."], []
    if chosen:
        kept = {name: run for name, run in groups[0].runs.items() if name in chosen}
        lines, grids = [_RULE], [run_grid(Group(kept), "Measured here", context=("protocol",))]
    title = specs.TITLES[specs.SUMMARY]
    return Document(specs.SUMMARY, title, lines, grids, page=_DATASET)


def chosen_rows(rows: Sequence[Row], validated: Sequence[RunFile]) -> list[Row]:
    """Every peer, and of every other method the row that is supported best; at most ``MAX_ROWS``.

    Args:
        rows: that may be compared.
        validated: runs scored on validation images.
    """
    psnr: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in validated:
        value = run.summary.get("all", {}).get("PSNR")
        if value is not None:
            psnr[run.recipe, run.weights.get("sha256", "")].append(value)

    def support(row: Row) -> tuple[bool, int, float, str]:
        runs = row.runs.values()
        scores = [v for run in runs for v in psnr[run.recipe, run.weights.get("sha256", "")]]
        validation = statistics.fmean(scores) if scores else 0.0
        return row.first.protocol != _PROTOCOL, -len(runs), -validation, row.first.recipe

    best: dict[str, Row] = {}
    ours = [row for row in rows if row.first.kind != "peer" and row.first.status == "ok"]
    for row in sorted(ours, key=support):
        best.setdefault(row.first.method, row)
    peers = [row for row in rows if row.first.kind == "peer"]
    return [*list(best.values())[:MAX_ROWS], *peers]


def _validated(results: Results) -> list[RunFile]:
    runs = [run for table in results.runs.values() for run in table.values()]
    return [run for run in runs if run.dataset == _DATASET and "part" in run.split]
