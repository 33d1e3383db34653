"""A method as a network from a picture's plane to its colours, for inference and export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from torch import Tensor, nn

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Side
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...models.base.generator import GeneratorMethod
from ...models.base.method import Method
from ...models.zhang17.suggestions import Suggestion


@runtime_checkable
class Suggesting(Protocol):
    """A method that knows which colours are likely."""

    def suggest(self, batch: Batch, x: int, y: int, count: int = 5) -> list[Suggestion]:
        """See ``Zhang17.suggest``."""
        ...


class MethodColors(nn.Module):
    """What a method adds to a plane: ab of a gray picture, RGB of a NIR picture.

    ab comes as the network puts it out, before colours are fitted into sRGB: at full size that is
    done with the luminance of that size.

    Args:
        method: a method whose ``colorize`` needs only ``gray`` or only ``nir``.

    Raises:
        UserError: the method needs both.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        if method.domain not in ("gray", "nir"):
            raise UserError(
                f"{method.name} needs gray and NIR together, and a picture holds one; choose one "
                "of its outputs that is made from one (--output), where it has any"
            )
        self.method = method
        self.domain, self.name = method.domain, method.name
        self.takes_hints, self.takes_global_hints = method.takes_hints, method.takes_global_hints
        self.takes_boxes = method.takes_boxes
        self._paints = (
            isinstance(method, GeneratorMethod)
            and type(method).colorize is GeneratorMethod.colorize
        )

    def forward(
        self,
        plane: Tensor,
        hints: Tensor | None = None,
        global_hints: Tensor | None = None,
        boxes: list[Tensor] | None = None,
    ) -> Tensor:
        """The colours of a batch of planes.

        Args:
            plane: B1HW in [0,1]: CIE L*/100, or NIR levels.
            hints: B3HW as ``Batch["hints"]``, for methods that take them.
            global_hints: B x 316 as ``Batch["global_hints"]``, likewise.
            boxes: of each plane's objects as ``Batch["boxes"]``, likewise.

        Returns:
            B2HW ab in CIE units for gray, B3HW sRGB in [0,1] for NIR, of the same H and W.
        """
        batch = self.batch(plane, hints, global_hints, boxes)
        if self.domain == "gray" and self._paints:
            return AB_SCALE * cast(GeneratorMethod, self.method).predict_ensembled(batch)
        rgb = self.method.colorize(batch)
        return rgb_to_lab(rgb)[:, 1:] if self.domain == "gray" else rgb

    def batch(
        self,
        plane: Tensor,
        hints: Tensor | None = None,
        global_hints: Tensor | None = None,
        boxes: list[Tensor] | None = None,
    ) -> Batch:
        """What the method is given; arguments as ``forward``'s."""
        given = {
            "key": ["picture"] * len(plane),
            self.domain: plane,
            "hints": hints,
            "global_hints": global_hints,
            "boxes": boxes,
        }
        return cast(Batch, {name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a method comes from, so that it can be found again.

    Attributes:
        run: a name of shipped weights, or the file of the weights.
        weights_sha256: of the networks.
        output: which of the method's outputs, ``None`` for its own.
        size: the short side at which the network sees pictures, ``None`` for theirs.
    """

    run: str
    weights_sha256: str
    output: str | None = None
    size: Side | None = None
