"""``compress``: every form of a tiny run, what its table says, and files that load again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts.checkpoint import load_trained
from crosschroma.experiments.deploy.compress import CompressOptions, compress
from crosschroma.experiments.deploy.compress_measure import PERCEPTUAL
from crosschroma.experiments.deploy.compress_table import CompressedRow, verdict
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.metrics.printed import printed_reason
from crosschroma.experiments.training.engine import fit
from crosschroma.models.student import Student

HARDWARE = Hardware(accelerator="cpu", workers=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compress")


@pytest.fixture
def runs(folder: Path, unet: Experiment) -> tuple[Path, Path]:
    """A gray teacher with BatchNorm, and a student of half its width at half the resolution."""
    paths = folder / "teacher", folder / "small"
    method = replace(unet.method, domain="gray", norm="batch")
    student = Student.Config(
        student=replace(method, width=2),
        scale=2,
        teacher=method,
        teacher_weights=str(paths[0]),
    )
    training = replace(unet.training, steps=2, validate_every=0)
    for path, config in zip(paths, (method, student), strict=True):
        if not path.exists():
            experiment = replace(unet, name=path.name, method=config, training=training)
            fit(experiment, path, HARDWARE)
    return paths


def test_every_form_has_its_row_and_its_file(runs: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    options = CompressOptions(
        students=runs[1:], sparsity=(0.5,), finetune=2, batch_size=2, calibration=2, repeats=1
    )
    result = compress(runs[0], tmp_path, options)
    rows = {row.name: row for row in result.rows}
    exported = ["teacher onnx", "teacher int8", "small onnx", "small int8"]
    assert list(rows) == ["teacher", "small", "sparse50", "channels50", *exported]
    teacher = rows["teacher"]
    assert teacher.times_as_fast == 1.0
    assert teacher.psnr_change == 0.0
    # scored as by evaluate
    for name, path in zip(("teacher", "small"), runs, strict=True):
        true = evaluate_run(load_trained(path), metrics=("PSNR", "SSIM")).summary["all"]
        assert rows[name].psnr == pytest.approx(true["PSNR"], abs=1e-3)
        assert rows[name].ssim == pytest.approx(true["SSIM"], abs=1e-4)
    # zeros outlast fine-tuning, and compress
    assert rows["sparse50"].nonzero < 0.6 * teacher.nonzero
    assert rows["sparse50"].parameters == teacher.parameters
    assert rows["sparse50"].macs == teacher.macs
    assert rows["sparse50"].zipped_bytes < 0.85 * teacher.zipped_bytes
    assert rows["channels50"].parameters < 0.3 * teacher.parameters
    assert rows["channels50"].macs < 0.5 * teacher.macs
    assert rows["small"].macs < 0.2 * teacher.macs
    assert rows["teacher onnx"].psnr == pytest.approx(teacher.psnr, abs=0.01)
    assert rows["teacher int8"].psnr == pytest.approx(teacher.psnr, abs=1.0)
    assert rows["teacher int8"].psnr != teacher.psnr
    data = json.loads((tmp_path / "table.json").read_text())
    assert [row["name"] for row in data["rows"]] == list(rows)
    text = (tmp_path / "table.md").read_text()
    assert text.count("\n| ") == len(rows) + 2
    assert all(printed_reason(reason) in text for reason in result.unavailable.values())
    for row in rows.values():
        assert row.file_bytes == (tmp_path / row.file).stat().st_size
        gray = torch.rand(1, 40, 50)
        assert Colorizer.load(tmp_path / row.file)(gray).shape == (3, 40, 50)


def test_the_command(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["compress", str(runs[0]), "--out", str(tmp_path), "--no-int8", "--repeats", "1"]
    assert cli.run([*argv, "--sparsity", "--channels", "0.5", "--count", "1"]) == 0
    out = capsys.readouterr().out
    assert "16 times as fast as the teacher at a loss below 0.5 dB: none" in out
    assert "width 4 to 2" in out
    assert cli.run([*argv, "--sparsity", "2"]) == 1
    assert "sparsity, value 1: 2.0: must be 0 to 1" in capsys.readouterr().err


def test_a_student_for_another_domain_is_refused(
    runs: tuple[Path, Path], unet: Experiment, tmp_path: Path
) -> None:
    fit(replace(unet, training=replace(unet.training, steps=1)), tmp_path / "nir", HARDWARE)
    with pytest.raises(UserError, match="tiny_unet is for nir, the teacher for gray"):
        compress(runs[0], tmp_path, CompressOptions(students=(tmp_path / "nir",)))


def test_a_missing_backbone_is_a_reason(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))
    options = CompressOptions(sparsity=(), channels=(), int8=False, repeats=1, count=1)
    result = compress(runs[0], tmp_path / "out", options)
    assert result.rows[0].perceptual is None
    assert "no SqueezeNet weights" in result.unavailable[PERCEPTUAL]


@pytest.mark.parametrize(
    ("times", "change", "reached"),
    [(16.0, -0.4, True), (15.9, -0.4, False), (16.0, -0.5, False), (20.0, None, False)],
)
def test_the_aim(times: float, change: float | None, reached: bool) -> None:
    row = dict.fromkeys(CompressedRow.__dataclass_fields__, 0) | {
        "name": "small",
        "times_as_fast": times,
    }
    assert CompressedRow(**row | {"psnr_change": change}).reaches_the_aim == reached


def test_the_verdict_names_who_reaches_the_aim(runs: tuple[Path, Path], tmp_path: Path) -> None:
    options = CompressOptions(sparsity=(), channels=(), int8=False, repeats=1, count=1)
    result = compress(runs[0], tmp_path, options)
    fast = replace(result.rows[0], name="small", times_as_fast=17.0)
    assert verdict(replace(result, rows=[*result.rows, fast])).endswith("dB: small")
