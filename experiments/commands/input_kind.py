"""``crosschroma input-kind``: how often the guess between photograph and near infrared errs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.outputs import JsonOutput


@dataclass(frozen=True, kw_only=True)
class InputKindOptions(Checked):
    """Measure how often the kind of a gray picture is guessed wrongly, photograph or NIR.

    On test images of VCIP, RGB-NIR Scene, BSDS500 and the ImageNet sample, and on a folder's; none
    of their scenes was fitted to. ``colorize`` without --run and the page go by this guess.

    Attributes:
        fit: fit the network anew first, to training images of the same datasets and epfl-extra,
            and write it over the one that is there.
        encoder_weights: for --fit: ``imagenet``, or a file of EfficientNet-Lite0's weights.
        photos: a folder of more photographs, split by their names.
        out: JSON file to write.
    """

    fit: tyro.conf.FlagCreatePairsOff[bool] = False
    encoder_weights: Annotated[str, tyro.conf.arg(metavar="FILE")] = "imagenet"
    photos: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    out: Annotated[JsonOutput, tyro.conf.arg(metavar="FILE")] = Path("results/input_kind.json")


def input_kind(argv: list[str]) -> int:
    """``crosschroma input-kind``."""
    options = tyro.cli(InputKindOptions, prog="crosschroma input-kind", args=argv)
    from ...datasets.base.atomic_write import write_text_atomic
    from ..inference.input_kind import WEIGHTS
    from ..input_kind import fit as fitting

    if options.fit:
        pictures = fitting.fitting_pictures(options.photos)
        fitting.write_network(fitting.fit(pictures, options.encoder_weights))
        print(f"{WEIGHTS} ({WEIGHTS.stat().st_size / 1e6:.1f} MB)")
    report = fitting.measure(options.photos)
    rates = fitting.error_rates(report)
    for name, row in report.items():
        print(f"{name}: {row['right']} of {row['images']} right, {row['unsure']} unsure")
    for kind, text in (("nir", "near infrared"), ("gray", "photographs")):
        print(f"{text}: {rates[kind]['taken_wrongly']:.1%} taken wrongly")
    write_text_atomic(options.out, json.dumps({**rates, "sets": report}, indent=1) + "\n")
    print(options.out)
    return 0
