"""Validation curves of runs: read from TensorBoard's logs once, kept as small files of results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...datasets.base.adapter import Adapter
from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.bounds import Count, Natural
from ...datasets.base.errors import UserError
from ...datasets.base.json_file import read_json

_TAG = "validation/"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a run scored on its validation images while it trained.

    Attributes:
        run: name of the run's folder.
        recipe, seed, batch_size: of the experiment.
        dataset: name of the dataset; ``validated_on`` which images of it, such as
            "vcip-clean fold 0 of 5". Only curves on the same images share a plot.
        metrics: metric -> [step, value], by step.
    """

    run: str
    recipe: str
    seed: Natural
    batch_size: Count
    dataset: str
    validated_on: str
    metrics: Mapping[str, Sequence[tuple[int, float]]]

    def save(self, folder: Path) -> Path:
        """Write ``<folder>/<run>.json``, one metric a line; returns the file."""
        data = asdict(self)
        metrics = data.pop("metrics")
        head = json.dumps(data, indent=1, ensure_ascii=False)
        lines = (f"  {json.dumps(name)}: {json.dumps(points)}" for name, points in metrics.items())
        body = ",\n".join(lines)
        path = folder / f"{self.run}.json"
        write_text_atomic(path, f'{head[:-2]},\n "metrics": {{\n{body}\n }}\n}}\n')
        return path


def load_curves(folder: Path) -> list[Curve]:
    """Every curve of a folder, by file name; none where there is no such folder.

    Raises:
        UserError: naming a file that does not hold a curve.
    """
    curves = []
    for path in sorted(folder.glob("*.json")):
        remedy = "write it again by `crosschroma plot RUN`, or delete it"
        curves.append(read_json(path, Curve, "validation curve", remedy))
    return curves


def read_curve(run: Path) -> Curve:
    """The curve of a run's folder, from its TensorBoard events and its checkpoint.

    Events that a resumed run has overtaken are left out, as TensorBoard does; values are rounded
    to six digits.

    Raises:
        UserError: no run, or one that was never validated.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from ..artifacts import checkpoint
    from ..settings import from_plain

    # not the method's settings: logs outlive what older versions called these
    experiment = checkpoint.load_checkpoint(run / checkpoint.LAST, mapped=True)["experiment"]
    data = from_plain(experiment["data"], Adapter)
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 1}).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(_TAG)]
    if not tags:
        raise UserError(
            f"{run} holds no validation scores: its recipe trains on all images, or its "
            "TensorBoard events are gone"
        )
    return Curve(
        run=run.resolve().name,
        recipe=experiment["name"],
        seed=experiment["seed"],
        batch_size=experiment["training"]["batch_size"],
        dataset=data.name,
        validated_on=f"{data.protocol} {data.validation_part}",
        metrics={
            tag.removeprefix(_TAG): [(e.step, float(f"{e.value:.6g}")) for e in events.Scalars(tag)]
            for tag in tags
        },
    )
