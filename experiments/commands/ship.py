"""``crosschroma ship``: a run's weights in one small file, or on the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.outputs import WEIGHTS, WeightsOutput, check_output


@dataclass(frozen=True, kw_only=True)
class ShipOptions(Checked):
    """Write a trained run's inference weights and settings into one small safetensors file.

    With --push they go to the Hugging Face Hub, with their settings and a card; log in before
    (`hf auth login`, or set HF_TOKEN).

    Attributes:
        run: a run's folder, a checkpoint file, a file of ``ship`` or the name of shipped weights.
        out: file or folder to write; default results/weights, or nothing with --push.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        push: repository on the Hub, as user/name or user/name@branch; it is made where it is
            missing.
        private: make it a private one.
        license: of the weights, for the card: an identifier of the Hub, such as cc-by-4.0.
        scores: run files for the card; default those in results/runs that score these weights.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    out: Annotated[WeightsOutput | None, tyro.conf.arg(metavar="PATH")] = None
    weights: Literal["result", "best", "last"] = "result"
    push: Annotated[str | None, tyro.conf.arg(metavar="USER/NAME")] = None
    private: tyro.conf.FlagCreatePairsOff[bool] = False
    license: str = "other"
    scores: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")] = ()


def ship(argv: list[str]) -> int:
    """``crosschroma ship RUN``."""
    options = tyro.cli(ShipOptions, prog="crosschroma ship", args=argv)
    from ..artifacts import weights_file

    default = Path("results/weights")
    if options.out is None and options.push is None:
        check_output(default, WEIGHTS, "--out")
    trained = weights_file.load_any(options.run, options.weights)
    if options.out is not None or options.push is None:
        print(weights_file.write_weights_file(trained, options.out or default))
    if options.push is None:
        return 0
    from ...models.base.hub_weights import SCHEME, parse_hub_address
    from ..deploy.model_card import load_scores, scores_of
    from ..deploy.push_weights import push_weights

    address = parse_hub_address(SCHEME + options.push.removeprefix(SCHEME))
    scores = load_scores(options.scores) or scores_of(trained, Path("results/runs"))
    pushed = push_weights(trained, address, scores, terms=options.license, private=options.private)
    print(f"scores on the card: {', '.join(scores) or 'none'}")
    print(f"{pushed}\nnext: crosschroma colorize PICTURES --run {pushed}")
    return 0
