"""Each case runs in a process of its own: an import happens only once in a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULE = "crosschroma.losses.pretrained.torchvision_import"
ENSURE = f"from {MODULE} import ensure_torchvision\nensure_torchvision()\n"
HALF = "try:\n    import torchvision\nexcept RuntimeError:\n    pass\n"
USE = (
    "import lpips, timm, torch, torchvision\n"
    "net = torchvision.models.squeezenet1_1(weights=None)\n"
    "print(tuple(net(torch.zeros(1, 3, 64, 64)).shape))\n"
)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "code", [ENSURE + USE, HALF + ENSURE + "ensure_torchvision()\n" + USE], ids=["first", "half"]
)
def test_networks_work(code: str) -> None:
    result = run(code)
    assert result.stdout.strip() == "(1, 1000)", result.stderr


def test_other_faults_are_not_hidden() -> None:
    """Only the missing operator is mended: any other RuntimeError reaches the user."""
    code = (
        "import sys, importlib.abc\n"
        "class Broken(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torchvision':\n"
        "            raise RuntimeError('some other fault')\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    result = run(code + ENSURE)
    assert result.returncode == 1
    assert "some other fault" in result.stderr
