"""Run files of this project's own runs: what only training knows joins what evaluation measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from ...datasets.base.adapter import Adapter
from ...datasets.base.errors import UserError
from ...datasets.loading.views import EvalView
from ...datasets.unknown_data import UnknownData
from ...models.base.hub_weights import cached_address
from ..artifacts.checkpoint import BEST, LAST, Trained, started_from
from ..artifacts.provenance import portable_settings, provenance
from ..artifacts.run_file import RunFile, Status, canonical_sha256
from ..experiment import Experiment
from .evaluate import EvaluationOptions, Scored, evaluate_method


def evaluate_run(
    trained: Trained,
    adapter: Adapter | None = None,
    view: EvalView | None = None,
    *,
    split: Scored = "test",
    mean_color: bool = False,
    **options: Unpack[EvaluationOptions],
) -> RunFile:
    """Score a trained run on test images, or on those that have validated it.

    Args:
        trained: from ``load_trained``.
        adapter: dataset to test on; by default the one it was trained on.
        view: geometry of the test images; by default the experiment's.
        split: ``validation`` scores on what the run itself kept out of its training.
        mean_color: see ``evaluate_method``.
        options: see ``evaluate``.

    Raises:
        UserError: validation images of a run that kept none out, or another dataset's, of which
            the run may have learnt.
    """
    experiment = trained.experiment
    if split == "validation":
        _require_own_validation(experiment, adapter or experiment.data)
    imported = isinstance(experiment.data, UnknownData)
    run = evaluate_method(
        trained.method,
        adapter or experiment.data,
        view or experiment.eval_view,
        kind="peer" if imported else "ours",
        split=split,
        mean_color=mean_color,
        **options,
    )
    return replace(
        run,
        **origin(experiment, trained.starts),
        steps=trained.steps,
        weights={
            "file": trained.file,
            "step": trained.step,
            "sha256": trained.weights_sha256,
        },
        trained=trained.starts,
        dirty=run.dirty or any(start["dirty"] for start in trained.starts),
        wall_s={**run.wall_s, "train": round(trained.train_s, 1)},
    )


def _require_own_validation(experiment: Experiment, adapter: Adapter) -> None:
    data = experiment.data
    if isinstance(data, UnknownData) or adapter.rootless() != data.rootless():
        raise UserError(
            f"{experiment.name}: validation images are scored of the data that a run kept them "
            "out of, as it was trained; leave --dataset and --boxes out"
        )
    if not data.has_validation:
        raise UserError(
            f"{experiment.name} was trained on all of {data.train_data}: no validation images are "
            "left to score it on"
        )


def row_name(trained: Trained, run: RunFile) -> str:
    """Name of a run file: the run's folder, weights file or repository, its output, the test.

    ``encoder_unet_vcip_s1``, ``encoder_unet_vcip_s1_fold0``, ``encoder_unet_nir_on_scenes``,
    ``encoder_unet_nir_on_rgb-nir-scene-all``.
    """
    hub, path = cached_address(trained.path), trained.path.resolve()
    name = path.parent.name if path.name in (BEST, LAST) else path.stem
    parts = [hub.repo.replace("/", "_") if hub else name, trained.output]
    if run.domain == "nir_and_mean":
        parts.append("mean_color")
    if run.dataset != trained.experiment.data.name:
        parts.append(f"on_{run.protocol.replace(' ', '_')}")
    parts.append(run.split.get("part", "").partition(" of ")[0].replace(" ", ""))
    return "_".join(filter(None, parts))


def failed_row(experiment: Experiment, status: Status, note: str) -> RunFile:
    """The row of a run that ended without a result: it stays in the table and says so."""
    data = experiment.data
    return RunFile(
        kind="ours",
        method=experiment.method.method_class.name,
        domain=getattr(experiment.method, "domain", "both"),
        dataset=data.name,
        protocol=data.protocol,
        split={"name": f"{data.name} test", "sha256": hashlib.sha256().hexdigest(), "images": 0},
        metric_protocol={"view": experiment.eval_view.protocol},
        summary={"all": {}},
        rows=[],
        status=status,
        note=note,
        **origin(experiment),
        **provenance(),
    )


def origin(experiment: Experiment, starts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Fields of a row that tell where its weights come from.

    Without the folders of one machine.

    Args:
        experiment: the settings.
        starts: the run's provenance, which says what weights it began with.
    """
    config = portable_settings(experiment)
    learnt = (experiment.data.train_data, experiment.method.learnt_from, started_from(starts))
    return {
        "recipe": experiment.name,
        "train_data": "; ".join(filter(None, learnt)),
        "config": config,
        "config_sha256": canonical_sha256(config),
        "seed": None if isinstance(experiment.data, UnknownData) else experiment.seed,
    }
