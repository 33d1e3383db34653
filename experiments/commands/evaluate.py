"""``crosschroma evaluate``: a trained run on test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked, Count, Natural
from ...datasets.base.outputs import JsonOrFolderOutput
from .shared.print_scores import report_scores


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Checked):
    """Score a trained run on its test images, or on another dataset's.

    Files under results/runs become rows of `crosschroma table`.

    Attributes:
        run: a run's folder, a checkpoint, a file of ``ship``, or the name of shipped weights.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        output: what a method with several outputs returns, such as one path of cocolor
            (nir_as_gray) or what it fuses of gray alone (fused_gray).
        dataset: test on another dataset than the run's own.
        protocol: of ``dataset``, where it has several, such as rgb-nir-scene-all; weights that
            were trained elsewhere must name theirs.
        split: ``validation``: the images that the run kept out of its training, such as VCIP's
            fold; for choosing settings, in tables apart from test images.
        mean_color: give a method for NIR the mean colour of each true picture, as a user may who
            knows the scene; such rows have a table of their own.
        root: the dataset's folder.
        boxes: JSON file of the objects in the test images, for instance_aware; see
            ``crosschroma data boxes``.
        json: write the run file there; in a folder it is named by the run's folder and what was
            scored, such as encoder_unet_vcip_s1_fold0.json. Another run's file is not overwritten.
        metrics: names such as PSNR, SSIM7 or LPIPS-alex; all by default.
        batch_size: images at a time.
        workers: loading processes.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    weights: Literal["result", "best", "last"] = "result"
    output: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    protocol: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    split: Literal["test", "validation"] = "test"
    mean_color: tyro.conf.FlagCreatePairsOff[bool] = False
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    boxes: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    json: Annotated[JsonOrFolderOutput | None, tyro.conf.arg(metavar="FILE|DIR")] = None
    metrics: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    batch_size: Count = 8
    workers: Natural = 0
    device: str = "auto"


def evaluate(argv: list[str]) -> int:
    """``crosschroma evaluate RUN``."""
    options = tyro.cli(EvaluateOptions, prog="crosschroma evaluate", args=argv)
    from ...datasets.mixtures.with_boxes import WithBoxes
    from ..artifacts.weights_file import load_any
    from ..evaluation.evaluate_run import evaluate_run, row_name
    from ..metrics.definitions import METRICS
    from ..training.devices import usable_device
    from .shared.dataset_options import scored_adapter

    trained = load_any(options.run, options.weights, options.output)
    own = trained.experiment.data
    adapter = scored_adapter(own, options.dataset, options.root, options.protocol)
    if options.boxes is not None:
        images = adapter.images if isinstance(adapter, WithBoxes) else adapter
        adapter = WithBoxes(images=images, boxes=options.boxes, root=adapter.root)
    run = evaluate_run(
        trained,
        adapter,
        split=options.split,
        mean_color=options.mean_color,
        metrics=options.metrics or tuple(METRICS),
        batch_size=options.batch_size,
        workers=options.workers,
        device=usable_device(options.device),
    )
    path = options.json
    if path is not None and (path.is_dir() or path.suffix != ".json"):
        path /= f"{row_name(trained, run)}.json"
    report_scores(run, path, options.metrics)
    return 0
