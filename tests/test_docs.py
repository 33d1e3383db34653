"""The site of `make docs`: strict, with every public name, and with what it quotes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """MkDocs' own check of links, and the hook's of public names, end it otherwise."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="needs crosschroma[docs]")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(site)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    methods = (site / "methods" / "index.html").read_text()
    for quoted in (
        "encoder_unet_nir_epfl",
        "colormamba_released",
        "scene-disjoint 14",
        "zhang16_photos",
    ):
        assert quoted in methods
    protocols = (site / "protocols" / "index.html").read_text()
    assert "8 of the 28 test pairs are training pairs" in protocols
    assert "A split of our own" in protocols
    api = (site / "api" / "models" / "index.html").read_text()
    assert 'id="crosschroma.models.unet.UNet"' in api
