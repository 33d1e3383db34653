"""``crosschroma score``: pictures that anything made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ...datasets.base.bounds import Checked, ViewSize
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import JsonOutput
from ..artifacts.run_file import Kind, RunFile
from .shared.not_done import not_done
from .shared.print_scores import report_scores

if TYPE_CHECKING:
    from ...datasets.base.adapter import Adapter
    from ...datasets.loading.views import EvalView


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(Checked):
    """Score pictures that anything made, one for each test image of a dataset, found by name.

    Attributes:
        folder: the pictures.
        baseline: instead of pictures: ``nir_copy`` (R=G=B=NIR), ``nir_lut`` (mean RGB of each NIR
            level in the training images) or ``gray`` (no colour).
        dataset: whose test images they are compared with.
        root: the dataset's folder.
        protocol: split protocol that the method was trained under, such as vcip-official; pictures
            must name it where the dataset has several.
        method: what made the pictures; default the folder's name.
        kind: ``peer``: published by others; ``baseline``; ``ours``.
        train_data: what the method was trained on, in words.
        note: what a reader of the row must know.
        size: side to which the test images are stretched; 0 takes their own size.
        json: write the run file there.
    """

    folder: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[FOLDER]")] = None
    baseline: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    dataset: Annotated[str, tyro.conf.arg(metavar="NAME")]
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    protocol: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    method: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    kind: Kind = "peer"
    train_data: str = "unknown"
    note: str = ""
    size: ViewSize = 256
    json: Annotated[JsonOutput | None, tyro.conf.arg(metavar="FILE")] = None


def score(argv: list[str]) -> int:
    """``crosschroma score DIR --dataset NAME``."""
    options = tyro.cli(ScoreOptions, prog="crosschroma score", args=argv)
    from ...datasets.files.folder import image_files, skipped_files
    from ...datasets.files.left_out import further_frames
    from ...datasets.loading.views import EvalView
    from ..evaluation.baselines import score_baseline
    from .shared.dataset_options import adapter_at, scored_adapter

    name, root, protocol = options.dataset, options.root, options.protocol
    view = EvalView(size=options.size or None)
    if options.baseline is not None:
        adapter = adapter_at(name, root)
        adapter = adapter if protocol is None else adapter.with_protocol(protocol)
        run = score_baseline(options.baseline, adapter, view)
    else:
        adapter = scored_adapter(None, name, root, protocol)
        run = _score_pictures(options, adapter, view)
    report_scores(run, options.json)
    if options.folder is not None and options.baseline is None:
        left_out = further_frames(image_files(options.folder))
        if line := not_done(skipped_files(options.folder), left_out):
            print(f"note: {line}", file=sys.stderr)
    return 0


def _score_pictures(options: ScoreOptions, adapter: Adapter, view: EvalView) -> RunFile:
    from ..evaluation.evaluate import score_folder

    folder = options.folder
    if folder is None:
        raise UserError("name a folder with pictures to score, or a --baseline")
    if not folder.is_dir():
        raise UserError(f"no folder {folder} with pictures to score")
    return score_folder(
        folder,
        adapter,
        view,
        method=options.method or folder.name,
        kind=options.kind,
        train_data=options.train_data,
        note=options.note,
    )
