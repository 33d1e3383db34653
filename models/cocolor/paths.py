"""The paths from a NIR or a gray image to colour, and a method as one network on such a path."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ...datasets.base.batch import Batch
from ...datasets.base.color import AB_SCALE, Gamut, rgb_to_lab
from ...datasets.base.errors import UserError
from ..base.domain import DomainName, network_input, output_to_rgb
from ..base.freezing import averages_at_rest, frozen
from ..base.generator import GeneratorMethod, MultiScale
from ..base.method import Method
from ..base.padding import pad_and_crop


class ColorPath(NamedTuple):
    """A path to colour: the domain of the given image, and that of the network that colours it."""

    given: DomainName
    colorizer: DomainName


# F_N(X_N), F_G(X_N2G), F_G(X_G), F_N(X_G2N) in the paper's symbols
PATHS: dict[str, ColorPath] = {
    "nir": ColorPath("nir", "nir"),
    "nir_as_gray": ColorPath("nir", "gray"),
    "gray": ColorPath("gray", "gray"),
    "gray_as_nir": ColorPath("gray", "nir"),
}


class PathResult(NamedTuple):
    """What a path has made, and from what."""

    rgb: Tensor  # B3HW [0,1]
    plane: Tensor  # B1HW [0,1], what the colorizer was given
    feature: Tensor | None  # BChw, the colorizer's coarsest map, where it shows it

    def first(self, count: int) -> PathResult:
        """Of the first ``count`` images."""
        feature = None if self.feature is None else self.feature[:count]
        return PathResult(self.rgb[:count], self.plane[:count], feature)


class PathColorizer(nn.Module):
    """A method with one generator as a network of another method.

    Args:
        config: of a ``GeneratorMethod``.
        domain: what it must be for.

    Raises:
        UserError: another kind of method, or one for the other domain.
    """

    def __init__(self, config: Method.Config, domain: DomainName) -> None:
        super().__init__()
        method = config.build()
        if not isinstance(method, GeneratorMethod):
            raise UserError(f"{method.name} is not one generator, and cannot be a colorizer here")
        if method.domain != domain:
            raise UserError(
                f"the colorizer for {domain} is a {method.name} for {method.domain}; set its domain"
            )
        self.system = method  # the name stands in checkpoints

    @property
    def coarsest(self) -> tuple[int, int] | None:
        """Channels and stride of the coarsest map, ``None`` where the generator hides it."""
        generator = self.system.generator
        if not isinstance(generator, MultiScale):
            return None
        return generator.coarsest_channels, self.system.stride

    def forward(self, plane: Tensor, gain: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Colour a plane.

        Args:
            plane: B1HW in [0,1], of any size.
            gain: BChw, added to the coarsest map; only where the generator shows it.

        Returns:
            The generator's output in [-1,1], BCHW (see ``domain.output_to_rgb``), and its coarsest
            map, BChw.
        """
        generator, stride = self.system.generator, self.system.stride
        plane_in = network_input(self.system.domain, _batch(self.system.domain, plane))
        if not isinstance(generator, MultiScale):
            return pad_and_crop(generator, plane_in, stride), None
        captured: list[Tensor] = []

        def run(image: Tensor) -> Tensor:
            maps = generator.encode(image)
            captured.append(maps[-1])
            if gain is not None:
                maps[-1] = maps[-1] + gain
            return generator.decode(maps)

        return pad_and_crop(run, plane_in, stride), captured[0]


def painted(
    domain: DomainName,
    output: Tensor,
    plane: Tensor,
    feature: Tensor | None,
    gamut: Gamut = "chroma",
) -> PathResult:
    """A colorizer's output on ``plane`` as colour; predicted ab joins the L* that ``plane`` is.

    A colorizer that learns needs the ``gamut`` that clips: shrunk chroma passes on gradients that
    drive ab out of sRGB without end.
    """
    rgb = output_to_rgb(domain, output.float(), _batch(domain, plane), gamut=gamut)
    return PathResult(rgb, plane, feature)


def paint(
    colorizer: nn.Module,
    domain: DomainName,
    planes: Mapping[str, Tensor],
    gamut: Gamut = "chroma",
    learn: bool = True,
) -> dict[str, PathResult]:
    """Colour several paths' planes in one pass.

    Args:
        colorizer: a ``PathColorizer``, as it is or wrapped by the engine.
        domain: what it is for.
        planes: by path, B1HW in [0,1]; B may differ, H and W may not.
        gamut: see ``painted``.
        learn: without it gradients reach the planes and not the colorizer: its weights are
            constants, and its running averages stay as they are.

    Returns:
        By path: B3HW sRGB in [0,1], with the plane and the coarsest map.
    """
    with contextlib.ExitStack() as stack:
        if not learn:
            stack.enter_context(frozen(colorizer))
            stack.enter_context(averages_at_rest(colorizer))
        output, feature = colorizer(torch.cat(list(planes.values())))
    counts = [plane.shape[0] for plane in planes.values()]
    outputs = output.split(counts)
    features = [None] * len(counts) if feature is None else feature.split(counts)
    return {
        path: painted(domain, out, plane, maps, gamut)
        for (path, plane), out, maps in zip(planes.items(), outputs, features, strict=True)
    }


def luminance(rgb: Tensor) -> Tensor:
    """The gray image, L*/100, of colours, B3HW in [0,1]: B1HW in [0,1]."""
    return (rgb_to_lab(rgb)[:, :1] / 100).clamp(0, 1)


def with_luminance(rgb: Tensor, gray: Tensor) -> Tensor:
    """The colours of ``rgb``, B3HW in [0,1], on the L* of ``gray``, B1HW (L*/100)."""
    return output_to_rgb("gray", rgb_to_lab(rgb)[:, 1:] / AB_SCALE, _batch("gray", gray))


def _batch(domain: DomainName, plane: Tensor) -> Batch:
    return cast(Batch, {domain: plane})
