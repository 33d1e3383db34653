"""Where a training stands, as its checkpoints hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Progress:
    """Where a run stands; all that is not weights, optimisers or random states."""

    step: int = 0
    train_s: float = 0.0
    best: float | None = None
    best_step: int = 0
    best_metrics: dict[str, float | None] | None = None
    worse: int = 0  # validations since the best
