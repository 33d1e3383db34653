"""Run files of this project's own runs: what only training knows joins what evaluation measured."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from ..datasets.elsewhere import Elsewhere
from ..datasets.source import Adapter
from ..datasets.transforms import EvalView
from .checkpoint import Trained
from .evaluate import evaluate_system
from .experiment import Experiment, to_plain
from .metrics_table import METRICS
from .provenance import provenance
from .runfile import RunFile, Status, canonical_sha256


def evaluate_run(
    trained: Trained,
    adapter: Adapter | None = None,
    view: EvalView | None = None,
    *,
    metrics: tuple[str, ...] = tuple(METRICS),
    batch_size: int = 8,
    workers: int = 0,
    device: str = "cpu",
) -> RunFile:
    """Score a trained run on test images.

    Args:
        trained: from ``load_trained``.
        adapter: dataset to test on; by default the one it was trained on.
        view: geometry of the test images; by default the experiment's.
        metrics: names of ``metrics_table.METRICS``.
        batch_size: images at a time.
        workers: loading processes.
        device: where to compute.
    """
    experiment = trained.experiment
    imported = isinstance(experiment.data, Elsewhere)
    measured = evaluate_system(
        trained.system,
        adapter or experiment.data,
        view or experiment.eval_view,
        kind="peer" if imported else "ours",
        metrics=metrics,
        batch_size=batch_size,
        workers=workers,
        device=device,
    )
    return replace(
        measured,
        **origin(experiment),
        steps=trained.steps,
        weights={
            "file": trained.path.name,
            "step": trained.step,
            "sha256": trained.weights_sha256,
        },
        trained=trained.starts,
        dirty=measured.dirty or any(start["dirty"] for start in trained.starts),
        wall_s={**measured.wall_s, "train": round(trained.train_s, 1)},
    )


def failed_row(experiment: Experiment, status: Status, note: str) -> RunFile:
    """The row of a run that ended without a result: it stays in the table and says so."""
    data = experiment.data
    return RunFile(
        kind="ours",
        method=experiment.method.system.name,
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


def origin(experiment: Experiment) -> dict[str, Any]:
    """Fields of a row that tell where its weights come from.

    Without the data's folder, which differs between machines.
    """
    config = to_plain(replace(experiment, data=experiment.data.rootless()))
    return {
        "recipe": experiment.name,
        "train_data": "; ".join(
            filter(None, (experiment.data.train_data, experiment.method.learnt_from))
        ),
        "config": config,
        "config_sha256": canonical_sha256(config),
        "seed": None if isinstance(experiment.data, Elsewhere) else experiment.seed,
    }
