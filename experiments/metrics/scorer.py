"""From batches to per-image rows, and from rows to the summary by subset."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...datasets.base.errors import DataError, UserError
from .definitions import METRICS, Metric, Row, mean, metric_of
from .fid import frechet_distance
from .image import MetricUnavailableError

T = TypeVar("T")
Features = Mapping[str, Mapping[str, Tensor]]  # metric -> key -> 2 x D: prediction, target

_DIGITS = 8  # significant digits of a value: keeps 20.342834 dB exact in a mean, and files small


class Processes(Protocol):
    """The processes that share a job, such as Lightning's ``Fabric``."""

    @property
    def global_rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...


class Scorer:
    """Turns batches into per-image rows; holds no images, but their features for FID.

    Only what is asked for is loaded or computed. A metric that cannot be had (LPIPS without
    weights) becomes ``None`` in the rows and a reason in ``unavailable``.

    Args:
        names: of ``METRICS``. One over the set (``dCF``) brings the columns that it needs.

    Raises:
        UserError: for a name that is not one, with the nearest ones.
    """

    def __init__(self, names: Sequence[str] = tuple(METRICS)) -> None:
        metrics = [metric_of(metric_of(name).of or name) for name in names]
        self._metrics = list({metric.name: metric for metric in metrics}.values())
        self._given_up: set[str] = set()
        self._rows: list[Row] = []
        self._features: dict[str, dict[str, Tensor]] = {
            metric.name: {} for metric in self._metrics if metric.features
        }
        self.unavailable: dict[str, str] = {}

    @torch.no_grad()
    def update(self, keys: Sequence[str], prediction: Tensor, target: Tensor) -> None:
        """Add one row per image.

        Both are rounded to 8 bits first, as if saved as PNG, so that a method scores the same
        as its saved pictures; values outside [0,1] are cut. Computed in float64.

        Args:
            keys: B names.
            prediction: B3HW sRGB in [0,1], any floating type.
            target: the same shape.

        Raises:
            DataError: when a prediction is not finite or not of its target's size; names the key.
        """
        if prediction.shape != target.shape or len(keys) != len(target):
            raise DataError(
                f"{keys[0]}: the prediction is {tuple(prediction.shape)} and the target "
                f"{tuple(target.shape)}, for {len(keys)} images"
            )
        _require_finite(keys, prediction)
        prediction, target = eight_bits(prediction), eight_bits(target)
        rows: list[Row] = [{"key": key} for key in keys]
        for metric in self._metrics:
            if metric.features is not None:
                self._add_features(metric, keys, prediction, target)
                continue
            for column, values in self._values(metric, keys, prediction, target).items():
                for row, value in zip(rows, values, strict=True):
                    row[column] = value
        self._rows.extend(rows)

    def rows(self) -> list[Row]:
        """The rows of this process so far, sorted by key."""
        return merge_rows([self._rows])

    def gather(self, processes: Processes) -> tuple[list[Row], Features]:
        """The rows and the features of all processes, on each of them; see ``merge_rows``."""
        if processes.world_size == 1:
            return self.rows(), self._features
        parts: list[Any] = [None] * processes.world_size
        torch.distributed.all_gather_object(parts, (self._rows, self._features))
        features = {
            name: {key: pair for _, part in parts for key, pair in part[name].items()}
            for name in self._features
        }
        return merge_rows([rows for rows, _ in parts]), features

    def _values(
        self, metric: Metric, keys: Sequence[str], prediction: Tensor, target: Tensor
    ) -> dict[str, list[float | None]]:
        compute = functools.partial(_compute, metric, keys, prediction, target)
        values = self._attempt(metric, min(target.shape[-2:]), compute)
        return values or {column: [None] * len(target) for column in metric.row_columns}

    def _add_features(
        self, metric: Metric, keys: Sequence[str], prediction: Tensor, target: Tensor
    ) -> None:
        assert metric.features is not None
        both = functools.partial(metric.features, torch.cat([prediction, target]))
        features = self._attempt(metric, min(target.shape[-2:]), both)
        if features is not None:
            pairs = features.float().cpu().view(2, len(keys), -1).unbind(1)
            self._features[metric.name] |= dict(zip(keys, pairs, strict=True))

    def _attempt(self, metric: Metric, side: int, compute: Callable[[], T]) -> T | None:
        """What ``compute`` gives, or ``None`` and a reason in ``unavailable``."""
        if side < metric.min_side:
            least = f"{metric.min_side} x {metric.min_side}"
            self.unavailable[metric.name] = f"needs images of at least {least} pixels"
        elif metric.name not in self._given_up:
            try:
                return compute()
            except MetricUnavailableError as reason:
                self._given_up.add(metric.name)
                self.unavailable[metric.name] = str(reason)
        return None


def eight_bits(image: Tensor) -> Tensor:
    """The image as a PNG would keep it: cut to [0,1], in steps of 1/255; float64."""
    if image.device.type == "mps":  # has no float64
        image = image.cpu()
    # in float32, as the picture would be written: a tie of half a level falls to the same side
    return image.float().clamp(0, 1).mul(255).round().double() / 255


def merge_rows(parts: Iterable[Sequence[Row]]) -> list[Row]:
    """The rows of several processes as one list, sorted by key; the first row of a key counts.

    A distributed sampler repeats images to fill the last batch: those must not count twice.
    """
    merged: dict[str, Row] = {}
    for row in (row for part in parts for row in part):
        merged.setdefault(row["key"], row)
    return [merged[key] for key in sorted(merged)]


def summarize(
    rows: Sequence[Row],
    subsets: Mapping[str, Sequence[str]] | None = None,
    features: Features | None = None,
) -> dict[str, dict[str, float | None]]:
    """Mean of every column and the metrics over the set, for ``all`` and each subset; pure.

    A column that is ``None`` for any image of a subset is ``None`` there: a mean over the rest
    would be another figure.

    Args:
        rows: per-image rows, as ``Scorer.rows`` gives them.
        subsets: name -> keys.
        features: of metrics that are a distance between sets, as ``Scorer.gather`` gives them.

    Raises:
        UserError: when there are no rows, or a subset names an image that has none.
    """
    if not rows:
        raise UserError("no images were scored: the split or the folder is empty")
    by_key = {row["key"]: row for row in rows}
    summary = {"all": _summary(rows, features or {})}
    for name, keys in (subsets or {}).items():
        lost = [key for key in keys if key not in by_key]
        if lost or not keys:
            raise UserError(f"subset {name}: no row for {', '.join(lost) or 'it'}")
        summary[name] = _summary([by_key[key] for key in keys], features or {})
    return summary


def _summary(rows: Sequence[Row], features: Features) -> dict[str, float | None]:
    known = [c for c in rows[0] if c != "key" and all(row[c] is not None for row in rows)]
    out: dict[str, float | None] = dict.fromkeys(column for column in rows[0] if column != "key")
    out |= {column: _rounded(mean(rows, column)) for column in known}
    for name, metric in METRICS.items():
        if metric.rows and metric.of in out:
            needs = METRICS[metric.of].row_columns
            out[name] = _rounded(metric.rows(rows)) if set(needs) <= set(known) else None
    for name, of_images in features.items():
        pairs = [of_images[row["key"]] for row in rows if row["key"] in of_images]
        whole = len(pairs) == len(rows) > 1
        out[name] = _rounded(_distance(pairs)) if whole else None
    return out


def _distance(pairs: Sequence[Tensor]) -> float:
    prediction, target = torch.stack(list(pairs)).unbind(1)
    return frechet_distance(prediction, target)


def _compute(
    metric: Metric, keys: Sequence[str], prediction: Tensor, target: Tensor
) -> dict[str, list[float | None]]:
    if metric.pair is not None:
        values = metric.pair(prediction, target).view(len(target), -1)
    else:
        of_one = functools.partial(metric.labelled, keys) if metric.labelled else metric.image
        assert of_one is not None
        sides = [of_one(image).view(len(image), -1) for image in (prediction, target)]
        values = torch.cat(sides, dim=1)
    columns = zip(metric.row_columns, values.T.tolist(), strict=True)
    return {column: [_rounded(value) for value in of_images] for column, of_images in columns}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _require_finite(keys: Sequence[str], prediction: Tensor) -> None:
    finite = prediction.isfinite().flatten(1).all(1).tolist()
    bad = [key for key, ok in zip(keys, finite, strict=True) if not ok]
    if bad:
        raise DataError(
            f"the prediction for {', '.join(bad)} holds NaN or infinite values: the method "
            "diverged, or its weights are damaged"
        )
