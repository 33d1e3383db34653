"""``crosschroma colorize`` of one picture loads what it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# each takes longer to import than a small picture to colour; the last is FFmpeg
HEAVY = ("timm", "torchvision", "torch._dynamo", "torch.onnx", "numba", "scipy", "lightning")
HEAVY += ("lightning_fabric", "tensorboard", "matplotlib", "rich.progress", "typeguard", "av")
PROGRAM = """
import sys
from crosschroma.experiments import cli
code = cli.run(sys.argv[2:])
print("loaded:", *[name for name in sys.argv[1].split(",") if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.parametrize("run", [["--run", "zhang16_photos"], []], ids=["named", "guessed"])
def test_a_picture_is_coloured_without_heavy_modules(run: list[str], tmp_path: Path) -> None:
    levels = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "one.jpg")
    words = ["colorize", str(tmp_path / "one.jpg"), *run, "--out", str(tmp_path / "one.png")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    with Image.open(tmp_path / "one.png") as result:
        assert (result.size, result.mode) == ((64, 48), "RGB")
