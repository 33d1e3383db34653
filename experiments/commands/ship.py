"""``crosschroma ship``: a run's weights in one small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked


@dataclass(frozen=True, kw_only=True)
class ShipOptions(Checked):
    """Write a trained run's inference weights and settings into one small safetensors file.

    Attributes:
        run: a run's folder or a checkpoint file.
        out: file or folder to write.
        weights: the run's best by validation, its last, or that of the two its recipe names.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    out: Path = Path("results/weights")
    weights: Literal["result", "best", "last"] = "result"


def ship(argv: list[str]) -> int:
    """``crosschroma ship RUN``."""
    options = tyro.cli(ShipOptions, prog="crosschroma ship", args=argv)
    from ..artifacts import weights_file

    print(weights_file.ship(options.run, options.out, options.weights))
    return 0
