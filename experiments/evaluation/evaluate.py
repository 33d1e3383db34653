"""Scores on a dataset's test images, of a method or of pictures made by anything, as a run file."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypedDict, Unpack

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ...datasets.base.adapter import Adapter, Source
from ...datasets.base.batch import Batch, to_device
from ...datasets.base.errors import DataError, UserError
from ...datasets.loading.loader import Images, eval_loader
from ...datasets.loading.views import EvalView
from ...models.base.method import Method
from ..artifacts.provenance import provenance
from ..artifacts.run_file import Kind, RunFile, Summary, TestList
from ..metrics.definitions import METRICS, Row, protocol_of
from ..metrics.scorer import Processes, Scorer, summarize
from .cost import Cost, cost
from .mean_color import with_mean_color
from .picture_folder import match_pictures, read_pictures

Domain = Literal["nir", "gray", "both", "nir_and_mean"]
Scored = Literal["test", "validation"]


class Evaluable(Protocol):
    """What can be evaluated: every ``Method``, and the baselines."""

    name: ClassVar[str]

    @property
    def domain(self) -> str: ...

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1], of the batch's size."""
        ...


@dataclass(frozen=True)
class Alone:
    """One process, with nobody to share the images with."""

    global_rank: int = 0
    world_size: int = 1


class EvaluationOptions(TypedDict, total=False):
    """What is scored, and how; the keywords of ``evaluate`` under their names there."""

    metrics: Sequence[str]
    batch_size: int
    workers: int
    device: torch.device | str
    processes: Processes | None


@dataclass(frozen=True)
class FolderPictures:
    """Pictures made by anything, as if a method had made them; see ``match_pictures``."""

    name: ClassVar[str] = "pictures"
    pictures: Mapping[str, Path]
    domain: str = "gray"  # compared with colour pictures, they need no other plane

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1], the pictures of the batch's keys."""
        return read_pictures(batch, self.pictures)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Per-image rows, their summary by subset, and how they came about; see ``RunFile``."""

    rows: list[Row]
    summary: Summary
    unavailable: Mapping[str, str]
    metric_protocol: Mapping[str, str]
    seconds: float


@torch.no_grad()
def evaluate(
    colorize: Callable[[Batch], Tensor],
    source: Source,
    view: EvalView,
    subsets: Mapping[str, Sequence[str]] | None = None,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    batch_size: int = 8,
    workers: int = 0,
    device: torch.device | str = "cpu",
    processes: Processes | None = None,
    title: str = "",
) -> Evaluation:
    """Score what ``colorize`` makes of every image of ``source``.

    Args:
        colorize: batch on ``device`` -> B3HW sRGB in [0,1] of the batch's size.
        source: images with colour.
        view: their geometry; at native size (``size=None``) they go one at a time.
        subsets: name -> keys, summarized beside ``all``.
        metrics: names of ``metrics.definitions.METRICS``.
        batch_size: images at a time; does not change the rows of a method that keeps images apart.
        workers: loading processes.
        device: where ``colorize`` and the metrics compute.
        processes: those that share the images (a ``Fabric``); every one gets all rows.
        title: of a progress bar, shown in a terminal; without one there is no bar.

    Raises:
        DataError: an image without colour, or a prediction that is not finite or of another size.
        UserError: an unknown metric.
    """
    scorer = Scorer(metrics)
    shared = processes or Alone()
    size = batch_size if view.size else 1
    loader = eval_loader(source, view, size, workers, shared.global_rank, shared.world_size)
    started = time.perf_counter()
    hidden = not title or shared.global_rank > 0 or not sys.stderr.isatty()
    bar = {"console": Console(stderr=True), "transient": True, "disable": hidden}
    for batch in track(loader, title, len(loader), **bar):
        batch = to_device(batch, torch.device(device))
        if "rgb" not in batch:
            raise DataError(f"{batch['key'][0]} has no colour picture to compare with")
        scorer.update(batch["key"], colorize(batch), batch["rgb"])
    rows, features = scorer.gather(shared)
    return Evaluation(
        rows=rows,
        summary=summarize(rows, subsets, features),
        unavailable=scorer.unavailable,
        metric_protocol={"view": view.protocol, **protocol_of(metrics)},
        seconds=round(time.perf_counter() - started, 3),
    )


def evaluate_method(
    method: Evaluable,
    adapter: Adapter,
    view: EvalView | None = None,
    *,
    kind: Kind = "ours",
    split: Scored = "test",
    mean_color: bool = False,
    **options: Unpack[EvaluationOptions],
) -> RunFile:
    """Score a method on the adapter's test images, or another split's; see ``evaluate``.

    What only training knows is added by ``evaluate_run``.

    Args:
        method: a method, a baseline or pictures.
        adapter: the dataset.
        view: geometry of the images, 256 x 256 by default.
        kind: ``ours``, ``peer`` or ``baseline``.
        split: ``validation`` scores on what is kept out of training.
        mean_color: give the method the true pictures' mean colours; see ``with_mean_color``.
        options: see ``evaluate``.

    Raises:
        UserError: the dataset lacks a plane that the method needs, or mean colours for a method
            that is not for NIR; and as ``evaluate``.
    """
    view = view or EvalView()
    _require_planes(method, adapter, mean_color)
    source = adapter.split(split)
    device = options.get("device", "cpu")
    parameters, costs = None, Cost()
    if isinstance(method, Method):
        method = method.to(device).eval()
        counts = method.parameter_counts()
        parameters = sum(counts[name] for name in method.networks_used)
        if view.size and len(source):
            costs = cost(method, Images(source, view), device)
    subsets = adapter.subsets() if split == "test" else None
    title = f"scoring {method.name}"
    colorize = partial(with_mean_color, method.colorize) if mean_color else method.colorize
    evaluation = evaluate(colorize, source, view, subsets, title=title, **options)
    return RunFile(
        kind=kind,
        method=method.name,
        domain="nir_and_mean" if mean_color else _domain(method),
        dataset=adapter.name,
        protocol=adapter.protocol,
        split=_split_record(adapter, source, split),
        train_data=adapter.train_data,
        metric_protocol=evaluation.metric_protocol,
        parameters=parameters,
        summary=evaluation.summary,
        unavailable=evaluation.unavailable,
        rows=evaluation.rows,
        wall_s={"train": 0.0, "evaluate": evaluation.seconds},
        cost=costs,
        **provenance(device),
    )


def _split_record(adapter: Adapter, source: Source, split: Scored) -> TestList:
    part = adapter.validation_part if split == "validation" else ""
    listed = "".join(f"{key}\n" for key in source.keys)
    images = TestList(
        name=f"{adapter.protocol} {part}" if part else f"{adapter.name} {split}",
        sha256=hashlib.sha256(listed.encode()).hexdigest(),
        images=len(source),
    )
    if part:
        images["part"] = part
    return images


def _require_planes(method: Evaluable, adapter: Adapter, mean_color: bool) -> None:
    if mean_color and method.domain != "nir":
        raise UserError(
            f"{method.name} is for {method.domain} pictures; a mean colour is given to methods for "
            "NIR, which know neither lightness nor tone"
        )
    needed = {"rgb"} if method.domain == "gray" else {"rgb", "nir"}
    missing = sorted(needed - adapter.planes)
    if missing:
        raise UserError(
            f"{method.name} is for {method.domain} images and {adapter.name} has no "
            f"{', '.join(missing)}; choose another dataset"
        )


def score_folder(
    folder: Path,
    adapter: Adapter,
    view: EvalView | None = None,
    *,
    method: str,
    kind: Kind = "peer",
    domain: Domain | None = None,
    train_data: str = "unknown",
    note: str = "",
    **options: Unpack[EvaluationOptions],
) -> RunFile:
    """Score pictures made by anything on the adapter's test images.

    Args:
        folder: one picture per test image, found by name (see ``match_pictures``), of the size
            that the test images have under ``view``.
        adapter: the dataset.
        view: geometry of the test images, 256 x 256 by default.
        method: name of what made the pictures.
        kind: ``peer``, ``ours`` or ``baseline``.
        domain: of the input that the method had; the dataset's by default.
        train_data: what it was trained on, in words.
        note: anything a reader of the row must know.
        options: see ``evaluate``.

    Raises:
        DataError: missing, surplus, unreadable or wrongly sized pictures, by name.
    """
    pictures = FolderPictures(match_pictures(folder, adapter.split("test").keys))
    run = evaluate_method(pictures, adapter, view, kind=kind, **options)
    domain = domain or ("nir" if "nir" in adapter.planes else "gray")
    return replace(run, method=method, domain=domain, train_data=train_data, note=note)


def _domain(method: Evaluable) -> Domain:
    domain = method.domain
    assert domain in ("nir", "gray", "both"), f"{method.name} has the domain {domain}"
    return domain
