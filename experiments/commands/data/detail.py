"""``crosschroma data detail``: fine detail of predictions beside that of the truth and of NIR."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ....datasets.base.adapter import Adapter
from ....datasets.base.atomic_write import write_text_atomic
from ....datasets.base.bounds import ViewSize
from ....datasets.base.errors import UserError
from ....datasets.base.outputs import JsonOutput
from ..shared.dataset_options import Option, colour_dataset_options

_OPTIONS = (
    Option("pictures", tuple[Path, ...], (), "Folders of pictures, one for each test image."),
    Option("runs", tuple[Path, ...], (), "Runs or shipped weights that colour the test images."),
    # not `size`: generated scenes have that themselves
    Option(
        "view_size", ViewSize, 256, "Side to which images are stretched; 0 takes their own size."
    ),
    Option("json", JsonOutput | None, None, "Write means and rows there."),
)


def detail(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data detail NAME [--pictures DIR ...] [--runs RUN ...]``; the exit code."""
    options = colour_dataset_options(
        "detail",
        adapter,
        argv,
        _OPTIONS,
        "Correlate fine detail of pictures with the truth's and with the NIR that was given.",
    )
    if not (options.pictures or options.runs):
        raise UserError("name pictures or runs to look at (--pictures DIR ..., --runs RUN ...)")
    from ....datasets.loading.views import EvalView
    from ...artifacts.provenance import provenance
    from ...artifacts.weights_file import load_any
    from ...evaluation.detail import SIGMA, DetailRow, audit_detail, mean_rows
    from ...evaluation.evaluate import FolderPictures
    from ...evaluation.picture_folder import match_pictures

    data: Adapter = options.data
    audited: dict[str, list[DetailRow]] = {}
    source, view = data.split("test"), EvalView(size=options.view_size or None)
    for folder in options.pictures:
        pictures = FolderPictures(match_pictures(folder, source.keys))
        audited[folder.name] = audit_detail(pictures.colorize, source, view)
    for run in options.runs:
        method = load_any(run).method.eval()
        audited[run.stem] = audit_detail(method.colorize, source, view)
    means = {name: mean_rows(rows, data.subsets()) for name, rows in audited.items()}
    Console().print(_table(f"fine detail of luma, {data.name} test", means))
    if options.json is not None:
        text = {
            "dataset": data.name,
            "sigma": SIGMA,
            "view": view.protocol,
            **provenance(),
            "means": means,
            "rows": {name: [asdict(row) for row in rows] for name, rows in audited.items()},
        }
        write_text_atomic(options.json, json.dumps(text, indent=1) + "\n")
        print(f"written: {options.json}")
    return 0


def _table(title: str, means: dict[str, dict[str, dict[str, float]]]) -> Table:
    table = Table(title=title)
    for column in ("pictures", "images", "with truth", "with NIR", "NIR with truth"):
        table.add_column(column)
    for name, subsets in means.items():
        for subset, row in subsets.items():
            table.add_row(name, subset, *(f"{value:.3f}" for value in row.values()))
    return table
