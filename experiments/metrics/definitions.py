"""The one table of metrics: what every name in the results means, and how it is computed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...datasets.base.errors import UserError, unknown
from ...losses.hsv import stretched
from . import ab as ab_metrics
from . import color as color_metrics
from . import image as image_metrics
from .fid import Backend, inception_features
from .lpips import lpips
from .printed import Better, printed
from .vgg import vgg_top1

Row = dict[str, Any]  # {"key": image, column: value or None, ...}
TRUTH = "_true"  # a statistic's column for the target: CF beside CF_true
ROUNDING = "prediction and target in [0,1] rounded to 8 bits, as if saved as PNG"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a name in the results means, and how it is computed.

    Exactly one of ``pair``, ``image``, ``labelled``, ``features`` and ``rows`` is set.

    Attributes:
        name: its printed name, unless ``columns`` gives several.
        protocol: how pixels become the number, in words; part of every run file.
        min_side: pixels of height and width below which it is not defined.
        pair: (prediction, target) B3HW -> (B,) or (B, columns).
        image: B3HW -> (B,) or (B, columns); taken of the prediction and of the truth.
        labelled: the same, given the images' keys, too.
        features: B3HW -> (B, D), taken of both; the value for a set is the Fréchet distance.
        rows: rows -> one value for the set, from the columns of the metric ``of``.
    """

    name: str
    protocol: str
    columns: tuple[str, ...] = ()
    min_side: int = 1
    pair: Callable[[Tensor, Tensor], Tensor] | None = None
    image: Callable[[Tensor], Tensor] | None = None
    labelled: Callable[[Sequence[str], Tensor], Tensor] | None = None
    features: Callable[[Tensor], Tensor] | None = None
    rows: Callable[[Sequence[Row]], float | None] | None = None
    of: str = ""

    @property
    def better(self) -> Better:
        """Which direction is better, as tables print it."""
        return printed(self.name).better

    @property
    def unit(self) -> str:
        """Its unit, "" for none."""
        return printed(self.name).unit

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Its printed names."""
        return self.columns or (self.name,)

    @property
    def row_columns(self) -> tuple[str, ...]:
        """What it adds to a row: its names and, for statistics, those of the truth."""
        if self.rows or self.features:
            return ()
        of_both = self.image or self.labelled
        return self.own_columns + (tuple(c + TRUTH for c in self.own_columns) if of_both else ())


def _delta_of_means(column: str, rows: Sequence[Row]) -> float:
    return abs(mean(rows, column) - mean(rows, column + TRUTH))


def _mean_of_deltas(column: str, rows: Sequence[Row]) -> float:
    return math.fsum(abs(row[column] - row[column + TRUTH]) for row in rows) / len(rows)


def _ab_std_ratio(rows: Sequence[Row]) -> float | None:
    predicted = math.fsum(math.hypot(row["a_std"], row["b_std"]) for row in rows)
    true = math.fsum(math.hypot(row["a_std" + TRUTH], row["b_std" + TRUTH]) for row in rows)
    return predicted / true if true > 0 else None


def _balanced_auc(rows: Sequence[Row]) -> float:
    weights = math.fsum(row["rarity"] for row in rows)
    return math.fsum(row["rarity_AuC"] for row in rows) / weights


def _lpips(net: str) -> Metric:
    return Metric(
        name=f"LPIPS-{net}",
        min_side=32,
        pair=functools.partial(lpips, net=net),
        protocol=f"lpips 0.1 with torchvision's ImageNet {net} weights, inputs scaled to [-1,1]",
    )


def _deltas(column: str, kind: str) -> tuple[Metric, Metric]:
    of_means = Metric(
        name=f"d{column}",
        of=column,
        rows=functools.partial(_delta_of_means, column),
        protocol=f"|mean CF - mean CF of the truth| over the set, {kind}",
    )
    of_images = Metric(
        name=f"d{column}_image",
        of=column,
        rows=functools.partial(_mean_of_deltas, column),
        protocol=f"mean over the images of |CF - CF of the truth|, {kind}",
    )
    return of_means, of_images


def _minmax(metric: Metric) -> Metric:
    """The metric against the ground truth as ColorMamba's released code stretches it."""
    pair = metric.pair
    assert pair is not None
    return replace(
        metric,
        name=f"{metric.name}-minmax",
        pair=lambda prediction, target: pair(prediction, stretched(target)),
        protocol=f"as {metric.name}, the truth v first stretched by its own minimum and maximum "
        "over all channels, (v - min) / (max - min + .001 / 255), as ColorMamba's released code "
        "does (which scores float predictions; here they are rounded like all)",
    )


def _with_tone(metric: Metric) -> Metric:
    """The metric after an oracle has mended the picture's tone: a diagnosis, no score."""
    pair = metric.pair
    assert pair is not None
    return replace(
        metric,
        name=f"{metric.name}-tone",
        pair=lambda prediction, target: pair(
            image_metrics.with_tone_of(prediction, target), target
        ),
        protocol=f"as {metric.name}, each channel of the prediction first given the gain and "
        "offset per image that bring it nearest to the truth (an oracle; tells how much of the "
        "error is the tone of whole pictures)",
    )


def _fid(backend: Backend, protocol: str) -> Metric:
    return Metric(
        name=f"FID-{backend}",
        features=functools.partial(inception_features, backend=backend),
        protocol=f"predictions against the truths of the same images, {protocol}; bilinear to "
        "299x299, 2048 features, statistics in float64; biased upwards on few images",
    )


_SIGNED, _MAGNITUDE = "signed opponents (Hasler-Süsstrunk)", "|opponents| (as CT2 and DDColor)"
_PSNR = Metric(
    name="PSNR",
    pair=image_metrics.psnr,
    protocol="RGB, peak 1, all pixels and channels of an image, then mean of dB; capped at 100",
)
_SSIM7 = Metric(
    name="SSIM7",
    min_side=7,
    pair=image_metrics.ssim7,
    protocol="RGB, 7x7 uniform, data range 1, sample covariance (scikit-image's default)",
)
_AE = Metric(
    name="AE",
    pair=color_metrics.angular_error,
    protocol="mean angle between RGB vectors, 1e-6 added to the product of norms",
)
_TABLE = (
    _PSNR,
    Metric(
        name="SSIM",
        min_side=11,
        pair=image_metrics.ssim,
        protocol="RGB, 11x11 Gaussian sigma 1.5, data range 1, no padding (pytorch-msssim)",
    ),
    _SSIM7,
    _AE,
    Metric(
        name="MAE",
        pair=image_metrics.mae,
        protocol="RGB in [0,1], mean absolute error",
    ),
    Metric(
        name="RMSE",
        pair=image_metrics.rmse,
        protocol="RGB in [0,1], root per image, then mean",
    ),
    Metric(
        name="MSE",
        pair=image_metrics.mse,
        protocol="RGB in [0,1], mean squared error",
    ),
    _lpips("alex"),
    _lpips("squeeze"),
    _lpips("vgg"),
    _fid("tf", "Inception weights of the original FID (pytorch-fid's file), input in [-1,1]"),
    _fid("tv", "torchvision's Inception weights, input normalised as by CT2 and DDColor"),
    Metric(
        name="VGG top-1",
        labelled=vgg_top1,
        protocol="share of images whose class torchvision's VGG-16 ranks first; short side 256, "
        "middle 224x224",
    ),
    Metric(
        name="ACC",
        pair=image_metrics.accuracy,
        protocol="share of pixels with RGB differences below .14 (maximum) and .17 (Euclidean)",
    ),
    Metric(
        name="AuC",
        pair=ab_metrics.auc,
        protocol="mean over the pixels of 1 - (distance in the ab plane / 150), at least 0: the "
        "area under the share of pixels within a threshold of 0 to 150 CIE units",
    ),
    Metric(
        name="rarity",
        columns=("rarity", "rarity_AuC"),
        pair=ab_metrics.rarity_and_auc,
        protocol="means over the pixels of w and of w x AuC; w is one over the frequency of the "
        "true colour's ab bin (of 313) in 630 photographs of ImageNet",
    ),
    Metric(
        name="AuC balanced",
        of="rarity",
        rows=_balanced_auc,
        protocol="AuC of all pixels of the set, each weighted by w as under rarity; a few rare "
        "colours weigh much on a small set",
    ),
    Metric(
        name="dE00",
        pair=ab_metrics.ciede2000,
        protocol="CIEDE2000, CIE Lab D65, mean over the pixels",
    ),
    Metric(
        name="ab",
        columns=("a_mean", "a_std", "b_mean", "b_std"),
        image=color_metrics.ab_moments,
        protocol="mean and standard deviation over an image's pixels of a and b, CIE Lab D65",
    ),
    Metric(
        name="ab_std_ratio",
        of="a_mean",
        rows=_ab_std_ratio,
        protocol="sum over the images of hypot(a_std, b_std), prediction over truth; 1 is right",
    ),
    Metric(
        name="CF",
        image=color_metrics.colorfulness,
        protocol=f"colorfulness, RGB in 0-255, {_SIGNED}",
    ),
    *_deltas("CF", _SIGNED),
    Metric(
        name="CF_abs",
        image=color_metrics.colorfulness_abs,
        protocol=f"colorfulness, RGB in 0-255, {_MAGNITUDE}",
    ),
    *_deltas("CF_abs", _MAGNITUDE),
    *(_minmax(metric) for metric in (_PSNR, _SSIM7, _AE)),
    *(_with_tone(metric) for metric in (_PSNR, _AE)),
)
# By printed name: a_mean, a_std, b_mean and b_std are four names of one metric.
METRICS: Mapping[str, Metric] = {
    column: metric for metric in _TABLE for column in metric.own_columns
}


def metric_of(column: str) -> Metric:
    """The metric that a column of rows or summaries belongs to (``a_std_true`` too).

    Raises:
        UserError: for a name that is not one, with the nearest ones.
    """
    name = column.removesuffix(TRUTH)
    if name not in METRICS:
        raise UserError(unknown("metric", column, METRICS))
    return METRICS[name]


def protocol_of(names: Iterable[str]) -> dict[str, str]:
    """Metric -> text for a run file: how pixels became numbers."""
    metrics = [metric_of(name) for name in names]
    return {"rounding": ROUNDING} | {metric.name: metric.protocol for metric in metrics}


def mean(rows: Sequence[Row], column: str) -> float:
    """Mean of a column; the same whatever the order of the rows."""
    return math.fsum(row[column] for row in rows) / len(rows)
