"""Runs on the same pictures, side by side, with per-image scores: the content of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.adapter import Adapter, Planes, Record, Source
from ...datasets.base.errors import UserError, unknown
from ...datasets.files.folder import FileSource, Pairs, evenly_spaced, image_files
from ...datasets.loading.loader import Images
from ...datasets.loading.views import resize
from ..artifacts.checkpoint import Trained
from ..artifacts.tensorboard import TensorBoard
from ..inference.colorizer import Colorizer
from ..metrics.definitions import METRICS, Row
from ..metrics.scorer import Scorer, summarize
from .gallery import GalleryRow, error_map
from .load_runs import GIVEN, TARGET, dataset_row, heading, load_methods

COMPARED = ("PSNR", "SSIM", "AE", "dE00", "LPIPS-alex")  # metrics unless told
LONGEST = 512  # pixels of the long side of a folder's pictures


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Pictures with what some methods make of each.

    Attributes:
        about: where the pictures come from, in words.
        methods: headings of the methods, columns of each row that has them.
        metrics: names of ``METRICS``.
        rows: the pictures; columns are what was given, the methods and, where known, the target.
        scores: method -> image -> row of metrics, for images that have a target.
        means: method -> metric -> mean over these images.
        unavailable: metric -> why it could not be computed.
    """

    about: str
    methods: Sequence[str]
    metrics: Sequence[str]
    rows: Sequence[GalleryRow]
    scores: Mapping[str, Mapping[str, Row]]
    means: Mapping[str, Mapping[str, float | None]]
    unavailable: Mapping[str, str]


@torch.no_grad()
def compare(
    runs: Sequence[Path],
    *,
    images: Path | None = None,
    dataset: Callable[[Sequence[Adapter]], Adapter] | None = None,
    count: int = 24,
    size: int = LONGEST,
    metrics: Sequence[str] = COMPARED,
    outputs: Sequence[str] = (),
    which: str = "result",
    device: str = "cpu",
) -> Comparison:
    """Colour pictures with every run, and score what has a truth.

    Test images of a dataset are seen as ``evaluate`` sees them, under the first run's view, and
    score the same. A folder's pictures keep their shape and are coloured as by ``colorize``; their
    own colours are the truth of gray methods. For a NIR method the folder holds the folders ``nir``
    and ``rgb`` (see ``Pairs``), or pictures of which there is no truth.

    Args:
        runs: run folders, checkpoints, files of ``ship``, or names of shipped weights.
        images: a folder of pictures.
        dataset: chooses the dataset of the test images, knowing those of the runs; default the
            first run's.
        count: pictures at most, spread evenly.
        size: the long side, in pixels, to which a folder's larger pictures are shrunk.
        metrics: names of ``METRICS`` that images have one by one.
        outputs: see ``write_gallery``.
        which: as ``load_trained``'s.
        device: where the methods compute.

    Raises:
        UserError: as ``load_methods``; a run named twice, a metric that single images do not have,
            or methods that need gray and NIR together for a folder.
        DataError: no pictures, or one that cannot be read.
    """
    _check_metrics(metrics)
    methods = load_methods(runs, outputs, which)
    headings = [heading(method, methods) for method in methods]
    if len(set(headings)) < len(headings):
        raise UserError(f"{', '.join(headings)}: one of the runs is named twice; take it once")
    if images is not None:
        source = _pictures(images)
        rows = _folder_rows(source, evenly_spaced(len(source), count), methods, size, device)
        about = f"{images.name}: {{}} of {len(source)} pictures"
    else:
        own, view = [method.experiment.data for method in methods], methods[0].experiment.eval_view
        adapter = dataset(own) if dataset else own[0]
        test = Images(adapter.split("test"), view)
        rows = (dataset_row(test, i, methods, device) for i in evenly_spaced(len(test), count))
        under = f" ({adapter.protocol})" if len(adapter.protocols) > 1 else ""
        about = f"{adapter.name} test{under}: {{}} of {len(test)} images, {view.protocol}"
    return _scored(list(rows), headings, metrics, about)


def write_board(comparison: Comparison, folder: Path) -> None:
    """The pictures with their error maps, and the means, as TensorBoard events in a folder.

    Raises:
        UserError: the folder cannot be written.
    """
    board = TensorBoard(folder, 0)
    for row in comparison.rows:
        columns: dict[str, Tensor] = {}
        for name, picture in row.images.items():
            columns[name] = picture[None]
            if row.target is not None and name in comparison.methods:
                columns[f"{name} error"] = error_map(picture[None], row.images[row.target][None])
        board.images(f"compare/{row.key}", columns, 0)
    for method, means in comparison.means.items():
        board.scalars({f"compare/{name} {method}": value for name, value in means.items()}, 0)
    board.close()


def _check_metrics(metrics: Sequence[str]) -> None:
    known = [name for name, metric in METRICS.items() if metric.pair]
    for name in metrics:
        if name not in known:
            raise UserError(unknown("metric of single images", name, known))


def _scored(
    rows: Sequence[GalleryRow], methods: Sequence[str], metrics: Sequence[str], about: str
) -> Comparison:
    scorers = {method: Scorer(metrics) for method in methods}
    for row in rows:
        if row.target is None:
            continue
        for method, scorer in scorers.items():
            scorer.update([row.key], row.images[method][None], row.images[row.target][None])
    scores = {m: {row["key"]: row for row in scorer.rows()} for m, scorer in scorers.items()}
    scored = {method: list(found.values()) for method, found in scores.items() if found}
    means = {method: summarize(found)["all"] for method, found in scored.items()}
    return Comparison(
        about=about.format(len(rows)),
        methods=methods,
        metrics=metrics,
        rows=rows,
        scores=scores,
        means=means,
        unavailable={n: r for scorer in scorers.values() for n, r in scorer.unavailable.items()},
    )


def _pictures(folder: Path) -> Source:
    if (folder / "nir").is_dir() and (folder / "rgb").is_dir():
        return Pairs(root=folder, validation=0.0, test=1.0).split("test")
    files = image_files(folder)
    if not files:
        raise UserError(f"no pictures in {folder}")
    return FileSource([Record(path.relative_to(folder).as_posix(), rgb=path) for path in files])


def _folder_rows(
    source: Source, indices: Sequence[int], methods: Sequence[Trained], size: int, device: str
) -> Iterator[GalleryRow]:
    colorizers = {heading(method, methods): Colorizer.of(method, device) for method in methods}
    for index in indices:
        planes = _shrunk(source.load(index), size)
        inputs: dict[str, Tensor] = {}
        predictions: dict[str, Tensor] = {}
        for name, colorizer in colorizers.items():
            nir = planes.get("nir") if colorizer.domain == "nir" else None
            levels = planes["rgb"] if nir is None else nir
            predictions[name] = _unit(colorizer(levels))
            inputs[GIVEN[colorizer.domain]] = _unit(colorizer.shown_input(levels))[:1]
        target = {TARGET: _unit(planes["rgb"])} if _has_truth(colorizers, planes) else {}
        yield GalleryRow(
            key=source.keys[index],
            images={**inputs, **predictions, **target},
            target=TARGET if target else None,
        )


def _has_truth(colorizers: Mapping[str, Colorizer], planes: Planes) -> bool:
    """A gray picture, or one that was itself taken in NIR, says nothing of colours."""
    if "nir" not in planes and any(c.domain == "nir" for c in colorizers.values()):
        return False
    rgb = planes["rgb"]
    return bool((rgb != rgb[..., :1]).any())


def _shrunk(planes: Planes, longest: int) -> Planes:
    height, width = planes["rgb"].shape[:2]
    scale = min(1.0, longest / max(height, width))
    sides = max(1, round(height * scale)), max(1, round(width * scale))
    shrunk: Planes = {"rgb": resize(planes["rgb"], *sides)}
    if "nir" in planes:
        shrunk["nir"] = resize(planes["nir"], *sides)
    return shrunk


def _unit(levels: np.ndarray) -> Tensor:
    return torch.from_numpy(levels).permute(2, 0, 1).float() / 255
