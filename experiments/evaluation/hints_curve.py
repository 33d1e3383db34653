"""How much colours gain from hints: PSNR against the number of revealed points."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ...datasets.base.adapter import Adapter
from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.batch import Batch, collate, to_device
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...datasets.loading.loader import Images
from ...datasets.loading.views import EvalView
from ...models.base.method import Method
from ...models.color.global_hints import GLOBAL_HINTS, global_hints
from ...models.color.hint_points import SIZES, reveal
from ..artifacts.checkpoint import Trained
from ..artifacts.provenance import provenance
from ..metrics.definitions import Row, mean, protocol_of
from ..metrics.scorer import Scorer
from .evaluate_run import origin

# PSNR in dB by revealed points, 6 x 6 pixels each, at 256 x 256: mean over the first 1000 images of
# ctest10k, from psnrs_siggraph.npy of github.com/junyanz/interactive-deep-colorization; standard
# error 0.14
PUBLISHED = {
    0: 24.43, 1: 25.37, 2: 26.20, 3: 26.69, 4: 27.08, 5: 27.39, 6: 27.65, 8: 28.10, 10: 28.42,
    13: 28.79, 16: 29.04, 20: 29.34, 25: 29.60, 32: 29.91, 40: 30.17, 50: 30.42, 63: 30.68,
    79: 30.90, 100: 31.13, 126: 31.34, 158: 31.52, 200: 31.70, 251: 31.85, 316: 31.97, 398: 32.07,
    501: 32.14,
}  # fmt: skip
PUBLISHED_LABEL = "Zhang et al. 2017 (other images: first 1000 of ImageNet ctest10k)"
COUNTS = tuple(PUBLISHED)
SQUARE = 6

EVERYTHING, HISTOGRAM, SATURATION = "everything", "global histogram", "global saturation"


@dataclass(frozen=True, kw_only=True)
class HintsCurve:
    """One run's figures, and all that is needed to trust or to repeat them.

    Attributes:
        points: numbers of revealed points with the mean over images of PSNR in dB and its standard
            error: {"points", "PSNR", "standard_error"}.
        whole: the same for what is given of the whole image instead, by ``given``: all its colours
            and, where the method takes them, its global hints.
        rows: per image {"key", and PSNR by number of points or by ``given``}.
        square: side of a revealed point, pixels.
        seed: of the places, which else depend on the image's key alone.
        about: method, data, weights, protocol and provenance, as in a run file.
    """

    points: list[dict[str, float]]
    whole: list[dict[str, Any]]
    rows: list[Row]
    square: int
    seed: int
    about: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write as JSON, one per-image row a line; atomic."""
        data = dataclasses.asdict(self)
        rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in data.pop("rows"))
        head = json.dumps({**data.pop("about"), **data}, indent=1, ensure_ascii=False)
        write_text_atomic(path, f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n')


@torch.no_grad()
def hints_curve(
    trained: Trained,
    adapter: Adapter | None = None,
    view: EvalView | None = None,
    *,
    counts: Sequence[int] = COUNTS,
    square: int = SQUARE,
    images: int = 0,
    seed: int = 0,
    batch_size: int = 8,
    device: str = "cpu",
) -> HintsCurve:
    """Score a run on test images of which more and more is revealed.

    A point shows the mean colour of its square; an image's points for a smaller number are the
    first of those for a larger one.

    Paper: Zhang et al. 2017, section 4.1 and figure 6.

    Args:
        trained: a method that takes hints.
        adapter: dataset to test on; default the run's.
        view: geometry of the test images; default the run's.
        counts: numbers of points.
        square: side of a point in pixels, 1 to 9.
        images: how many of the first test images; 0 takes all.
        seed: of the points' places.
        batch_size: hints that are tried at a time.
        device: where to compute.

    Raises:
        UserError: a method without hints, no or negative counts, or a side out of range.
    """
    counts = sorted(set(counts))
    _check(trained.method, counts, square, images, batch_size)
    adapter = adapter or trained.experiment.data
    view = view or trained.experiment.eval_view
    source = adapter.split("test")
    test = Images(source, view)
    method = trained.method.to(device).eval()
    names = [*map(str, counts), EVERYTHING]
    if getattr(trained.experiment.method, "global_hints", False):
        names += [HISTOGRAM, SATURATION]
    rows: list[Row] = []
    order = range(min(images, len(test)) if images else len(test))
    for index in track(order, "revealing", console=Console(stderr=True), disable=_hidden()):
        batch = to_device(collate([test[index]]), torch.device(device))
        cases = _cases(batch, counts, square, seed, HISTOGRAM in names)
        rows.append({"key": batch["key"][0], **_scores(method, batch, cases, names, batch_size)})
    return HintsCurve(
        points=[{"points": count, **_mean_of(rows, str(count))} for count in counts],
        whole=[{"given": name, **_mean_of(rows, name)} for name in names[len(counts) :]],
        rows=rows,
        square=square,
        seed=seed,
        about=_about(trained, adapter, view, device),
    )


def _check(
    method: Method, counts: Sequence[int], square: int, images: int, batch_size: int
) -> None:
    if not method.takes_hints:
        raise UserError(f"{method.name} takes no hints; name a run of a method that does (zhang17)")
    if not counts or counts[0] < 0:
        raise UserError("--points: name one or more numbers of points, 0 or more")
    if square not in SIZES:
        raise UserError(f"--square {square}: must be {SIZES[0]} to {SIZES[-1]} pixels")
    if images < 0 or batch_size < 1:
        raise UserError("--count must be 0 (all) or more, and --batch-size at least 1")


def _hidden() -> bool:
    return not sys.stderr.isatty()


def _cases(batch: Batch, counts: Sequence[int], square: int, seed: int, global_too: bool) -> Batch:
    """One image as often as there are ways to reveal it: its hints for each."""
    rgb = batch["rgb"]
    ab = rgb_to_lab(rgb)[0, 1:] / AB_SCALE
    hint = ab.new_zeros(3, *ab.shape[-2:])
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {batch['key'][0]}".encode()))
    hints, shown = [], 0
    for count in counts:
        for _ in range(count - shown):
            reveal(ab, hint, square, generator)
        shown = count
        hints.append(hint.clone())
    hints.append(torch.cat([ab, torch.ones_like(ab[:1])]))
    cases = Batch(hints=torch.stack(hints))
    if global_too:
        nothing = torch.zeros_like(cases["hints"][:2])
        cases["hints"] = torch.cat([cases["hints"], nothing])
        conditions = rgb.new_zeros(len(cases["hints"]), GLOBAL_HINTS)
        conditions[-2] = global_hints(rgb, saturation=False)[0]
        conditions[-1] = global_hints(rgb, histogram=False)[0]
        cases["global_hints"] = conditions
    return cases


def _scores(
    method: Method, batch: Batch, cases: Batch, names: list[str], batch_size: int
) -> dict[str, float]:
    """PSNR of one image for each of the cases."""
    scorer = Scorer(("PSNR",))
    for start in range(0, len(names), batch_size):
        part = {
            name: cast(Tensor, plane)[start : start + batch_size] for name, plane in cases.items()
        }
        chunk = names[start : start + batch_size]
        gray = batch["gray"].expand(len(chunk), -1, -1, -1)
        rgb_hat = method.colorize(cast(Batch, {"key": chunk, "gray": gray, **part}))
        scorer.update(chunk, rgb_hat, batch["rgb"].expand_as(rgb_hat))
    psnr = {row["key"]: row["PSNR"] for row in scorer.rows()}
    return {name: psnr[name] for name in names}


def _mean_of(rows: Sequence[Row], name: str) -> dict[str, float]:
    average = mean(rows, name)
    evenly_spaced = math.fsum((row[name] - average) ** 2 for row in rows) / max(1, len(rows) - 1)
    error = math.sqrt(evenly_spaced / len(rows))
    return {"PSNR": round(average, 4), "standard_error": round(error, 4)}


def _about(trained: Trained, adapter: Adapter, view: EvalView, device: str) -> dict[str, Any]:
    return {
        "format": "crosschroma hints curve 1",
        "method": trained.method.name,
        "dataset": adapter.name,
        "protocol": adapter.protocol,
        "metric_protocol": {"view": view.protocol, **protocol_of(("PSNR",))},
        "weights": {
            "file": trained.file,
            "step": trained.step,
            "sha256": trained.weights_sha256,
        },
        **origin(trained.experiment, trained.starts),
        "trained": trained.starts,
        **provenance(device),
    }
