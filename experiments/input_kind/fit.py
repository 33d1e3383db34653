"""The guess of a picture's kind: fitted to pairs and photographs, and how often it errs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from ...datasets.base.adapter import Source
from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.color import LUMA
from ...datasets.bsds500 import Bsds500
from ...datasets.epfl_extra import EpflExtra
from ...datasets.files.folder import Folder
from ...datasets.imagenet import ImageNetSample
from ...datasets.mixtures.vcip_and_epfl import VcipAndEpfl
from ...datasets.rgb_nir_scene import RgbNirScene
from ...losses.pretrained.timm_features import trained_timm_features
from ..inference.input_kind import (
    ENCODER,
    STAGES,
    SURE,
    WEIGHTS,
    Guess,
    InputKindNetwork,
    guess_kind,
    kind_views,
)

PENALTY = 0.005  # of the squared weights; the best of three on VCIP's fold 0 and its photographs
DRAWS = 3  # altered versions of each pair
_FILM = 8.0  # concentration of a film's sensitivity to R, G and B about the luma's
_ITERATIONS = 200


@dataclass(frozen=True)
class KindPictures:
    """Pictures of both kinds for fitting; each draw of ``nir`` has one of ``paired``.

    Attributes:
        nir: near infrared.
        paired: the luminance of the same scenes.
        photographs: the luminance of others.
    """

    nir: list[np.ndarray]
    paired: list[np.ndarray]
    photographs: list[np.ndarray]


def photo_sources(split: Any, photos: Path | None) -> dict[str, Source]:
    """The photographs of one split by dataset; ``photos`` is a folder of more."""
    sources: dict[str, Source] = {
        "bsds500": Bsds500().split(split),
        "imagenet-sample": ImageNetSample().split(split),
    }
    if photos is not None:
        sources["photos"] = Folder(root=photos).split(split)
    return sources


def fitting_pictures(photos: Path | None, every: int = 4, seed: int = 0) -> KindPictures:
    """The training pictures, altered at random as pictures of other cameras would be.

    Args:
        photos: a folder of photographs, of whose training split each ``every``-th is taken.
        every: see ``photos``.
        seed: of the alterations.
    """
    rng = np.random.default_rng(seed)
    kinds = KindPictures([], [], [])
    pairs = VcipAndEpfl(extra=EpflExtra(oldbuilding=True), times=1).split("train")
    for index in _tracked(len(pairs), "reading pairs"):
        planes = pairs.load(index)
        for draw in range(DRAWS):
            kinds.nir.append(_altered(planes["nir"], rng, draw))
            kinds.paired.append(_altered(_gray(planes["rgb"], rng, draw), rng, draw))
    for name, source in photo_sources("train", photos).items():
        step = every if name == "photos" else 1
        for index in _tracked(range(0, len(source), step), f"reading {name}"):
            kinds.photographs.append(_altered(_gray(source.load(index)["rgb"], rng, 1), rng, 1))
    return kinds


def fit(pictures: KindPictures, encoder_weights: str) -> InputKindNetwork:
    """A network whose head is a logistic regression on the pictures' statistics.

    Both kinds count alike. Statistics are standardised; the head takes that over.

    Args:
        pictures: of both kinds.
        encoder_weights: ``imagenet``, or a file of Lite0's weights; see ``trained_timm_features``.
    """
    network = InputKindNetwork()
    encoder = trained_timm_features(
        ENCODER, encoder_weights, "give --encoder-weights", in_chans=1, out_indices=(1, 2, 3)
    )
    encoder.blocks = encoder.get_submodule("blocks")[:STAGES]  # pyright: ignore[reportIndexIssue]
    network.encoder.load_state_dict(encoder.state_dict())
    network.half().float().eval()  # as it will be stored
    groups = [pictures.nir, pictures.paired + pictures.photographs]
    statistics = [_statistics(network, group) for group in groups]
    inputs = torch.cat(statistics)
    mean, spread = inputs.mean(0), inputs.std(0).clamp_min(1e-6)
    targets = torch.cat([torch.full((len(one),), float(1 - i)) for i, one in enumerate(statistics)])
    shares = torch.cat([torch.full((len(one),), 1 / len(one)) for one in statistics])
    weight, bias = _regression((inputs - mean) / spread, targets, shares)
    with torch.no_grad():
        network.head.weight.copy_((weight / spread)[None])
        network.head.bias.copy_((bias - (weight * mean / spread).sum())[None])
    return network


def write_network(network: InputKindNetwork, path: Path = WEIGHTS) -> None:
    """Store the encoder in half precision and the head as it is."""
    tensors = {
        name: value.half() if name.startswith("encoder.") and value.ndim > 1 else value
        for name, value in network.state_dict().items()
    }
    data = save({name: value.contiguous() for name, value in tensors.items()})
    write_atomic(path, lambda file: file.write(data))


def measure(
    photos: Path | None, guess: Callable[[list[np.ndarray]], Guess] = guess_kind
) -> dict[str, dict[str, Any]]:
    """How the test pictures are guessed, by dataset and kind.

    Photographs are shown by their luminance (BT.601). None of the scenes is among the fitting
    pictures; of ``rgb-nir-scene`` not even the categories, indoor and street, are where only these
    are at hand.
    """
    report: dict[str, dict[str, Any]] = {}
    pairs = {"vcip": VcipAndEpfl().split("test"), "rgb-nir-scene": RgbNirScene(all_test=True)}
    pairs["rgb-nir-scene"] = pairs["rgb-nir-scene"].split("test")
    for name, source in pairs.items():
        for kind, plane in (("nir", "nir"), ("gray", "rgb")):
            report[f"{name} {kind}"] = _measured(source, kind, plane, guess)
    for name, source in photo_sources("test", photos).items():
        report[f"{name} gray"] = _measured(source, "gray", "rgb", guess)
    return report


def error_rates(report: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The sums over all sets of one kind; an error is a kind that was taken wrongly.

    What is not sure is taken for a photograph, which is an error for near infrared only.
    """
    rates: dict[str, Any] = {"sure_beyond_log_odds": SURE}
    for kind in ("nir", "gray"):
        rows = [row for row in report.values() if row["kind"] == kind]
        count = sum(row["images"] for row in rows)
        wrong = sum(row["wrong"] + (row["unsure"] if kind == "nir" else 0) for row in rows)
        rates[kind] = {
            "images": count,
            "taken_wrongly": wrong / count,
            "surely_wrong": sum(row["wrong"] for row in rows) / count,
            "unsure": sum(row["unsure"] for row in rows) / count,
        }
    return rates


def _measured(
    source: Source, kind: str, plane: str, guess: Callable[[list[np.ndarray]], Guess]
) -> dict[str, Any]:
    counts = {"right": 0, "unsure": 0, "wrong": 0}
    wrong = []
    for index in _tracked(len(source), f"guessing {kind}"):
        planes = source.load(index)
        levels = planes["nir"] if plane == "nir" else _luma(planes["rgb"], np.array(LUMA))
        result = guess([levels])
        verdict = ("right" if result.domain == kind else "wrong") if result.sure else "unsure"
        counts[verdict] += 1
        if verdict == "wrong":
            wrong.append(source.keys[index])
    return {"kind": kind, "images": len(source), **counts, "wrong_keys": wrong}


def _gray(rgb: np.ndarray, rng: np.random.Generator, draw: int) -> np.ndarray:
    """By BT.601 at first and half the time, else as a film of another sensitivity would."""
    weights = np.array(LUMA)
    if draw and rng.random() < 0.5:
        weights = rng.dirichlet(_FILM * weights)
    return _luma(rgb, weights)


def _luma(rgb: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.rint(rgb.astype(np.float32) @ weights.astype(np.float32)).astype(np.uint8)


def _altered(plane: np.ndarray, rng: np.random.Generator, draw: int) -> np.ndarray:
    """As it is at first, else a part of it, at times of another tone curve: H x W uint8."""
    if not draw:
        return plane
    height, width = plane.shape
    side = int(min(height, width) * rng.uniform(0.75, 1))
    wide = int(min(width, side * rng.uniform(1, 1.6)))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - wide + 1)
    plane = plane[top : top + side, left : left + wide]
    if rng.random() < 0.5:
        curve = 255 * (np.arange(256) / 255) ** rng.uniform(0.6, 1.6)
        plane = np.rint(curve).astype(np.uint8)[plane]
    return plane


@torch.inference_mode()
def _statistics(network: InputKindNetwork, pictures: list[np.ndarray]) -> Tensor:
    """N x features, one view a picture."""
    rows = []
    for start in _tracked(range(0, len(pictures), 32), "statistics"):
        views = [kind_views(levels)[:1] for levels in pictures[start : start + 32]]
        rows.append(network.statistics(torch.cat(views)))
    return torch.cat(rows).clone()


def _regression(inputs: Tensor, targets: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(inputs.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = functional.binary_cross_entropy_with_logits(
            inputs @ weight + bias, targets, reduction="none"
        )
        total = (shares * each).sum() + PENALTY * (weight * weight).sum()
        total.backward()
        return total

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    return weight.detach(), bias.detach()


def _tracked(numbers: int | range, text: str) -> Iterator[int]:
    steps = range(numbers) if isinstance(numbers, int) else numbers
    return iter(track(steps, text, console=Console(stderr=True), transient=True))
