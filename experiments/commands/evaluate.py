"""``crosschroma evaluate``, ``score``, ``table`` and ``list``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from ...datasets.base.errors import UserError
from ..artifacts.run_file import Kind, RunFile, load

if TYPE_CHECKING:
    from ...datasets.base.adapter import Adapter
    from ...datasets.loading.views import EvalView

# What needs torch is imported by the functions: `--help` and `table` answer without it.
SHOWN = ("PSNR", "SSIM", "SSIM7", "AE", "LPIPS-alex", "MAE", "ACC", "ab_std_ratio", "CF")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Score a trained run on its test images, or on another dataset's.

    Files under results/runs become rows of `crosschroma table`.

    Attributes:
        run: a run's folder, a checkpoint, a file of ``ship``, or the name of shipped weights.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        output: what a method with several outputs returns, such as one path of cocolor
            (nir_as_gray) or what it fuses of gray alone (fused_gray).
        dataset: test on another dataset than the run's own.
        protocol: of ``dataset``, where it has several, such as rgb-nir-scene-all.
        split: ``validation``: the images that the run kept out of its training, such as VCIP's
            fold; for choosing settings, in tables apart from test images.
        root: the dataset's folder.
        boxes: JSON file of the objects in the test images, for instance_aware; see
            ``crosschroma data boxes``.
        json: write the run file there; in a folder it is named by the run's folder and what was
            scored, such as encoder_unet_vcip_s1_fold0.json. Another run's file is not overwritten.
        metrics: names such as PSNR, SSIM7 or LPIPS-alex; all by default.
        batch_size: images at a time.
        workers: loading processes.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    weights: Literal["result", "best", "last"] = "result"
    output: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    protocol: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    split: Literal["test", "validation"] = "test"
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    boxes: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE|DIR")] = None
    metrics: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    batch_size: int = 8
    workers: int = 0
    device: str = "auto"


def evaluate(argv: list[str]) -> int:
    """``crosschroma evaluate RUN``."""
    options = tyro.cli(EvaluateOptions, prog="crosschroma evaluate", args=argv)
    from ...datasets.mixtures.with_boxes import Boxed
    from ..artifacts.weights_file import load_any
    from ..evaluation.evaluate_run import evaluate_run, row_name
    from ..metrics.definitions import METRICS
    from ..training.devices import usable_device
    from .data import adapter_or_own

    trained = load_any(options.run, options.weights, options.output)
    adapter = adapter_or_own(trained.experiment.data, options.dataset, options.root)
    if options.protocol is not None:
        if adapter.name == trained.experiment.data.name:
            raise UserError(
                f"--protocol is for other datasets (--dataset); on {adapter.name} this run is "
                f"scored under the one that it was trained under, {adapter.protocol}"
            )
        adapter = adapter.with_protocol(options.protocol)
    if options.boxes is not None:
        images = adapter.images if isinstance(adapter, Boxed) else adapter
        adapter = Boxed(images=images, boxes=options.boxes, root=adapter.root)
    run = evaluate_run(
        trained,
        adapter,
        split=options.split,
        metrics=options.metrics or tuple(METRICS),
        batch_size=options.batch_size,
        workers=options.workers,
        device=usable_device(options.device),
    )
    path = options.json
    if path is not None and (path.is_dir() or path.suffix != ".json"):
        path /= f"{row_name(trained, run)}.json"
    _report(run, path, options.metrics)
    return 0


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Score pictures that anything made, one for each test image of a dataset, found by name.

    Attributes:
        folder: the pictures.
        baseline: instead of pictures: ``nir_copy`` (R=G=B=NIR), ``nir_lut`` (mean RGB of each NIR
            level in the training images) or ``gray`` (no colour).
        dataset: whose test images they are compared with.
        root: the dataset's folder.
        protocol: split protocol that the method was trained under; default the dataset's own.
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
    size: int = 256
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None


def score(argv: list[str]) -> int:
    """``crosschroma score DIR --dataset NAME``."""
    options = tyro.cli(ScoreOptions, prog="crosschroma score", args=argv)
    from ...datasets.loading.views import EvalView
    from ..evaluation.baselines import score_baseline
    from .data import adapter_at

    adapter = adapter_at(options.dataset, options.root)
    if options.protocol is not None:
        adapter = adapter.with_protocol(options.protocol)
    view = EvalView(size=options.size or None)
    if options.baseline is not None:
        run = score_baseline(options.baseline, adapter, view)
    else:
        run = _score_pictures(options, adapter, view)
    _report(run, options.json)
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


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Write results/tables and the tables in README from the run files.

    Attributes:
        check: write nothing; exit with 1 and say what differs.
        results: folder with runs/*.json and published.json.
        readme: file whose table blocks are filled; ``None`` fills none.
    """

    check: tyro.conf.FlagCreatePairsOff[bool] = False
    results: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("results")
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Path("README.md")


def table(argv: list[str]) -> int:
    """``crosschroma table``."""
    options = tyro.cli(TableOptions, prog="crosschroma table", args=argv)
    from ..tables import tables

    if options.check:
        differences = tables.check(options.results, options.readme)
        print("\n".join(differences) or "the tables equal the run files")
        return 1 if differences else 0
    written = tables.write(options.results, options.readme)
    print("\n".join(map(str, written)) or "the tables are up to date")
    return 0


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Name every recipe with its domain, dataset and the parameters of its networks."""


def list_recipes(argv: list[str]) -> int:
    """``crosschroma list``."""
    tyro.cli(ListOptions, prog="crosschroma list", args=argv)
    import torch

    from .. import recipe_list

    shown = Table("recipe", "method", "domain", "dataset", "protocol", "parameters")
    for name in recipe_list.names():
        experiment = recipe_list.load(name)
        with torch.device("meta"):
            system = experiment.method.build()
        counts = (f"{network} {n:,}" for network, n in system.parameter_counts().items())
        data = experiment.data
        parameters = ", ".join(counts)
        shown.add_row(name, system.name, system.domain, data.name, data.protocol, parameters)
    Console(width=None if Console().is_terminal else 200).print(shown)
    return 0


def print_scores(
    title: str,
    of: str,
    scores: Mapping[str, Mapping[str, float | None]],
    metrics: Sequence[str] = SHOWN,
) -> None:
    """Print {row: {metric: value}} as a table; ``of`` says what a row is."""
    names = [name for name in metrics if any(name in values for values in scores.values())]
    shown = Table(of, *names, title=title)
    for row, values in scores.items():
        shown.add_row(row, *(_text(values.get(name)) for name in names))
    Console(width=None if Console().is_terminal else 160).print(shown)


def _report(run: RunFile, json: Path | None, metrics: Sequence[str] = ()) -> None:
    """Print a run's summary, a line a subset; write the run file where asked."""
    part = run.split.get("part")
    title = f"{run.method} on {run.dataset} ({run.protocol}{f', {part}' if part else ''})"
    print_scores(title, "subset", run.summary, metrics or SHOWN)
    for name, reason in run.unavailable.items():
        print(f"{name}: n/a, {reason}")
    if json is not None:
        _refuse_another(json, run)
        run.save(json)
        print(json)


def _refuse_another(path: Path, run: RunFile) -> None:
    """A file is overwritten by the same recipe and seed on the same test list alone."""
    if not path.exists():
        return
    have, want = (
        f"{of.recipe or of.method}, seed {of.seed}, {of.protocol}, {of.split.get('name')}"
        for of in (load(path), run)
    )
    if have != want:
        raise UserError(f"{path} holds {have}, not {want}; name another file, or delete it")


def _text(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
