"""Trainings in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.settings import to_plain
from interrupted import ALONE

TWO = replace(ALONE, devices=2)

_CHILD = """
import json, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from crosschroma.experiments.training.engine import fit
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.settings import from_plain
experiment = from_plain(json.loads(Path(sys.argv[1]).read_text()), Experiment)
fit(experiment, Path(sys.argv[2]), Hardware(**json.loads(sys.argv[3])), resume=True)
"""


def start(
    experiment: Experiment,
    run: Path,
    tmp_path: Path,
    hardware: Hardware = ALONE,
    *,
    fault: str = "",
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """A training in a process of its own.

    Args:
        experiment: what is trained.
        run: its folder.
        tmp_path: for the program.
        hardware: without a cache.
        fault: Python that runs first.
        env: more variables of its environment.
    """
    (tmp_path / "experiment.json").write_text(json.dumps(to_plain(experiment)))
    (tmp_path / "child.py").write_text(fault + _CHILD)
    arguments = [tmp_path / "child.py", tmp_path / "experiment.json", run]
    return subprocess.Popen(
        [sys.executable, *map(str, arguments), json.dumps(vars(hardware))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
    )
