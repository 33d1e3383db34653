"""Folders of files by all candidates: as many results, of one size, and the loop's own pixels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.benchmarks import folder as folder_benchmark
from crosschroma.experiments.benchmarks.folder import (
    DNN,
    DNN_SQUARE,
    LOOP,
    OURS,
    OURS_BF16,
    bench_folder,
)
from crosschroma.experiments.benchmarks.folders.opencv_script import OpenCVScript
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.settings import to_plain

TINY = ["--small", "2", "--small-size", "96", "64", "--large", "1", "--large-size", "128", "128"]


@pytest.fixture
def run(pix2pix: Experiment, tmp_path: Path) -> Path:
    """A run with random weights whose colours are strong enough to be compared."""
    torch.manual_seed(0)
    generator = pix2pix.method.build().get_submodule("generator")
    path = tmp_path / "runs" / "tiny"
    state = {
        "inference": {"generator": generator.state_dict()},
        "experiment": to_plain(pix2pix),
        "starts": [],
        "step": 1,
        "train_s": 0.0,
    }
    checkpoint.save_checkpoint(path / "best.pt", state)
    return path


def test_the_candidates_write_the_same_pictures(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    out = tmp_path / "folder.json"
    words = ["bench", "folder", "--run", str(run), *TINY, "--threads", "1", "--repeats", "1"]
    assert cli.run([*words, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert not {LOOP, OURS, DNN, DNN_SQUARE} & set(written["left_out"])
    places = [(entry["pictures"], entry["format"]) for entry in written["folders"]]
    small, large = "2 of 96x64", "1 of 128x128"
    assert places == [(small, "jpg"), (small, "png"), (large, "jpg"), (large, "png")]
    for entry in written["folders"]:
        names = [timing["name"] for timing in entry["timings"] if timing["name"] != OURS_BF16]
        assert names == [LOOP, OURS, DNN, DNN_SQUARE]
        count = int(entry["pictures"].split()[0])
        assert entry["same_files"][LOOP] == entry["same_files"][OURS] == count
        assert entry["psnr_db"][OURS] == 999
        assert 25 < entry["psnr_db"][DNN] < 999
        seconds = {timing["name"]: timing["median"] for timing in entry["timings"]}
        assert entry["pictures_per_s"][OURS] == pytest.approx(count / seconds[OURS], rel=1e-3)
        ratio = seconds[DNN] / seconds[OURS]
        assert entry["times_as_fast_as"][OURS][DNN] == pytest.approx(ratio, rel=1e-3)


def test_what_opencv_cannot_run_is_left_out(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise cv2.error("no such\n operator")

    pytest.importorskip("onnx")
    monkeypatch.setattr(folder_benchmark, "OpenCVScript", fails)
    sizes = {"small": 1, "small_size": (64, 64), "large": 0}
    found = bench_folder(
        tmp_path / "f.json", run=str(run), **sizes, formats=("jpg",), threads=(1, 4096), repeats=1
    )
    assert found.left_out[DNN] == found.left_out[DNN_SQUARE] == "no such operator"
    assert "cores" in found.left_out["4096 threads"]
    assert {LOOP, OURS} <= {timing.name for timing in found.folders[0].timings}


def test_a_candidate_that_writes_less_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_benchmark, "_as_a_folder", lambda *_: None)
    sizes = {"small": 1, "small_size": (64, 64), "large": 0}
    with pytest.raises(UserError, match=r"crosschroma has not written 000.png \(1 of 1\)"):
        bench_folder(
            tmp_path / "f.json", run=str(run), **sizes, formats=("png",), threads=(1,), repeats=1
        )


def test_the_script_keeps_lightness_and_takes_the_networks_ab(tmp_path: Path) -> None:
    """A 1 x 1 convolution stands for the network: ab = (40 L, -40 L)."""
    onnx = pytest.importorskip("onnx")
    weight = np.array([40, -40], np.float32).reshape(2, 1, 1, 1)
    shapes = [
        onnx.helper.make_tensor_value_info(name, 1, [1, channels, 8, 8])
        for name, channels in (("x", 1), ("y", 2))
    ]
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    initial = [onnx.numpy_helper.from_array(weight, "w")]
    graph = onnx.helper.make_graph([node], "g", shapes[:1], shapes[1:], initial)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    script = OpenCVScript(model.SerializeToString(), (8, 8))
    gray = np.full((20, 30, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), gray)
    script(tmp_path / "in.png", tmp_path / "out.png")
    result = cv2.imread(str(tmp_path / "out.png"))
    assert result is not None
    assert result.shape == gray.shape
    lightness, a, b = cv2.cvtColor(result[:1, :1].astype(np.float32) / 255, cv2.COLOR_BGR2LAB)[0, 0]
    assert (lightness, a, b) == pytest.approx((53.6, 21.4, -21.4), abs=0.7)
    with pytest.raises(UserError, match="cannot read"):
        script(tmp_path / "none.png", tmp_path / "out.png")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--small", "0", "--large", "0"], "leaves no pictures"),
        (["--run", "encoder_unet_nir_epfl"], "colours NIR"),
        (["--repeats", "0"], "--repeats"),
        (["--small-size", "0", "64"], "--small-size"),
        (["--run", "none"], "no run none"),
    ],
    ids=str,
)
def test_wrong_options_are_named(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.run(["bench", "folder", *words, "--out", str(tmp_path / "f.json")]) == 1
    assert error in capsys.readouterr().err
