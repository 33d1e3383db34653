"""A training in a process of its own that makes steps when asked to; see ``process``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from ..process_settings import keep_memory, wait_shortly


def _wait_passively() -> None:
    """OpenMP's threads sleep at once."""
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


SETTINGS = {"memory": keep_memory, "passive": _wait_passively, "short": wait_shortly}
DONE = "done"


def train_on_request(recipe: str, smoke: bool, threads: int, settings: list[str]) -> None:
    """Make as many steps of a recipe, on generated scenes, as each line of the input says.

    Args:
        recipe: its name.
        smoke: its smallest form.
        threads: of torch; 0 for as many as it takes by itself.
        settings: names of ``SETTINGS`` that the process gets.
    """
    for name in settings:
        SETTINGS[name]()
    import torch  # after its settings

    from .. import recipe_list
    from ..experiment import Hardware
    from ..training.devices import make_fabric
    from ..training.engine import Run
    from .train import as_measured

    if threads:
        torch.set_num_threads(threads)
    experiment = recipe_list.load_recipe(recipe)
    experiment = as_measured(experiment.smoke() if smoke else experiment, log_every=20)
    with tempfile.TemporaryDirectory() as folder:
        hardware = Hardware(accelerator="cpu", workers=0, cache=Path(folder) / "cache")
        run = Run(experiment, Path(folder) / "run", hardware, make_fabric(experiment, hardware))
        steps = run.steps(shown=False)
        for line in sys.stdin:
            for _ in range(int(line)):
                next(steps)
            print(DONE, flush=True)
        steps.close()


if __name__ == "__main__":
    name, size, count, *chosen = sys.argv[1:]
    train_on_request(name, size == "smoke", int(count), chosen)
