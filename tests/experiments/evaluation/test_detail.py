"""The audit of fine detail: what its correlations are, by the library and by the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.files.folder import Pairs
from crosschroma.datasets.loading.views import EvalView
from crosschroma.experiments.commands.data.data import data
from crosschroma.experiments.evaluation.detail import audit_detail, detail, luma, mean_rows


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two test pairs whose NIR has half of the detail of the truth, and half of its own."""
    rng = np.random.default_rng(0)
    for name in ("nir", "rgb", "copied"):
        (tmp_path / name / "test").mkdir(parents=True)
    for key in ("a", "b"):
        shared, own, other = (rng.normal(0, 20, (32, 32)) for _ in range(3))
        nir = np.clip(128 + shared + own, 0, 255).astype(np.uint8)
        rgb = np.clip(128 + shared + other, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "nir" / "test" / f"{key}.png"), nir)
        cv2.imwrite(str(tmp_path / "rgb" / "test" / f"{key}.png"), cv2.merge([rgb] * 3))
        cv2.imwrite(str(tmp_path / "copied" / "test" / f"{key}.png"), cv2.merge([nir] * 3))
    return tmp_path


def test_detail_is_what_a_gaussian_of_two_pixels_takes_away() -> None:
    plane = np.random.default_rng(0).random((40, 50))
    blurred = cv2.GaussianBlur(plane, (17, 17), 2, borderType=cv2.BORDER_REFLECT_101)
    got = detail(torch.from_numpy(plane)[None, None])[0, 0].numpy()
    assert np.allclose(got, plane - blurred, atol=1e-12)
    assert detail(torch.full((1, 1, 20, 20), 0.5)).abs().max() < 1e-12
    assert torch.allclose(luma(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2, dtype=torch.float64))


def test_correlations_of_truth_copy_and_nothing(pairs: Path) -> None:
    source = Pairs(root=pairs).split("test")

    def gray(batch: Batch) -> torch.Tensor:
        return torch.full_like(batch["rgb"], 0.5)

    view = EvalView(size=None)
    true = audit_detail(lambda batch: batch["rgb"], source, view)
    copied = audit_detail(lambda batch: batch["nir"].expand(-1, 3, -1, -1), source, view)
    assert [row.prediction_truth for row in true] == pytest.approx([1, 1])
    assert [row.prediction_nir for row in true] == pytest.approx([row.nir_truth for row in true])
    assert [row.prediction_nir for row in copied] == pytest.approx([1, 1])
    assert all(0.35 < row.nir_truth < 0.65 for row in copied)  # half of the variance is shared
    assert [row.prediction_truth for row in audit_detail(gray, source, view)] == [0, 0]
    means = mean_rows(copied, {"first": ["test/a"], "none": []})
    assert list(means) == ["all", "first"]
    assert means["first"]["prediction_nir"] == 1


def test_the_command_writes_means_and_rows(pairs: Path, capsys: pytest.CaptureFixture) -> None:
    path = pairs / "detail.json"
    options = [
        "--root",
        str(pairs),
        "--view-size",
        "0",
        "--pictures",
        str(pairs / "copied"),
        "--json",
        str(path),
    ]
    assert data(["detail", "pairs", *options]) == 0
    assert "copied" in capsys.readouterr().out
    text = json.loads(path.read_text())
    assert text["means"]["copied"]["all"]["prediction_nir"] == 1
    assert [row["key"] for row in text["rows"]["copied"]] == ["test/a", "test/b"]
    with pytest.raises(UserError, match="name pictures or runs"):
        data(["detail", "pairs", "--root", str(pairs)])
