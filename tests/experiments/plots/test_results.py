"""Plots of results: the right numbers, found out when stale, no name on top of another."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts.run_file import RunFile
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.metrics.scorer import summarize
from crosschroma.experiments.plots import figures
from crosschroma.experiments.plots import results as result_plots
from crosschroma.experiments.plots.curves import Curve, load_curves, read_curve
from crosschroma.experiments.training.engine import fit
from matplotlib.text import Text

KEYS = split_lists.read_split_list("vcip-test")
LEAKED, UNSEEN = (
    set(split_lists.read_split_list(f"vcip-test-{n}")) for n in ("leaked", "scene-disjoint")
)
SUBSETS = {"leaked": sorted(LEAKED), "scene_disjoint": sorted(UNSEEN)}
CURVE = Curve(
    run="unet_s1",
    recipe="unet",
    seed=1,
    batch_size=12,
    dataset="vcip",
    validated_on="vcip-clean fold 0 of 5",
    metrics={"PSNR": [(100, 14.5), (200, 15.25)], "AE": [(100, 6.5), (200, 6.25)]},
)


def row(psnr: Callable[[str], float], **changes: Any) -> RunFile:
    rows: list[dict[str, Any]] = [{"key": key, "PSNR": psnr(key), "AE": 5.0} for key in KEYS]
    run = RunFile(
        kind="ours",
        method="unet",
        recipe="unet_vcip",
        domain="nir",
        dataset="vcip",
        protocol="vcip-clean",
        split={"name": "vcip test", "sha256": "8c", "images": 28},
        train_data="vcip-clean train",
        metric_protocol={"PSNR": "mean of dB"},
        summary=summarize(rows, SUBSETS),
        rows=rows,
        seed=0,
    )
    return replace(run, **changes)


def cheat(key: str) -> float:
    return 40.0 if key in LEAKED else 18.0 if key in UNSEEN else 25.0


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two seeds, a peer that has seen test pairs, and a run on a fold that belongs in no plot."""
    folder = tmp_path / "results"
    for seed in (0, 1):
        row(lambda key, s=seed: 15.0 + s, seed=seed).save(folder / "runs" / f"s{seed}.json")
    peer = {"kind": "peer", "method": "peer", "recipe": "", "protocol": "vcip-official"}
    row(cheat, **peer).save(folder / "runs" / "peer.json")
    fold = {"name": "vcip-clean fold 0 of 5", "part": "fold 0 of 5", "sha256": "0", "images": 28}
    row(lambda _: 99.0, split=fold).save(folder / "runs" / "s0_fold0.json")
    CURVE.save(folder / result_plots.CURVES)
    return folder


def test_the_leak_plot_sets_apart_what_the_training_list_has(results: Path) -> None:
    leak, scatter, _ = result_plots.plots(results)
    assert [title.split()[0] for title in leak.data["panels"]] == ["8", "6", "14"]
    ours, peer = leak.data["rows"]
    assert ours["label"] == "unet_vcip (2 seeds)"
    assert ours["psnr"] == [[15.5] * 8, [15.5] * 6, [15.5] * 14]
    assert peer["psnr"] == [[40.0] * 8, [25.0] * 6, [18.0] * 14]
    assert [(point["label"], point["psnr"]) for point in scatter.data["points"]] == [
        ("unet_vcip (2 seeds)", 15.5),
        ("peer", 18.0),
    ]


def test_every_dot_is_drawn_in_its_pane(results: Path) -> None:
    leak, *_ = result_plots.plots(results)
    figure = leak.draw(leak.data)
    for pane, count, means in zip(
        figure.axes, (8, 6, 14), ((15.5, 40), (15.5, 25), (15.5, 18)), strict=True
    ):
        assert [len(dots.get_offsets()) for dots in pane.collections] == [count, count]
        assert [line.get_xdata()[0] for line in pane.lines] == pytest.approx(list(means))


def test_files_are_the_same_for_the_same_results_and_stale_ones_are_found(results: Path) -> None:
    written = result_plots.write_plots(results)
    names = ["vcip_leak.svg", "vcip_psnr_ae.svg", "curves_vcip_clean_fold_0_of_5.svg"]
    assert [path.name for path in written] == names
    assert result_plots.write_plots(results) == []
    assert result_plots.check_plots(results) == []
    first = {path: path.read_bytes() for path in written}
    shutil.rmtree(results / result_plots.PLOTS)
    assert len(result_plots.check_plots(results)) == 3
    result_plots.write_plots(results)
    assert {path: path.read_bytes() for path in written} == first
    replace(CURVE, metrics={"PSNR": [(100, 14.6)]}).save(results / result_plots.CURVES)
    (stale,) = result_plots.check_plots(results)
    assert "curves_vcip_clean_fold_0_of_5.svg: drawn from other data" in stale
    (results / result_plots.CURVES / "unet_s1.json").unlink()
    (stale,) = result_plots.check_plots(results)
    assert "no data give it" in stale
    assert result_plots.write_plots(results) == [written[2]]
    assert not written[2].exists()


def test_a_fold_or_a_failed_run_changes_no_plot_of_test_images(results: Path) -> None:
    before = [plot.about for plot in result_plots.plots(results)]
    (results / "runs" / "s0_fold0.json").unlink()
    row(cheat, status="failed", rows=[], summary={"all": {}}).save(results / "runs" / "bad.json")
    assert [plot.about for plot in result_plots.plots(results)] == before


def test_of_several_outputs_a_method_s_own_and_the_fused_are_shown(results: Path) -> None:
    for output in ("nir", "fused_nir", "mean_nir", "nir_as_gray"):
        run = row(lambda _: 16.0, recipe=f"cocolor_vcip:{output}")
        run.save(results / "runs" / f"{output}.json")
    leak = next(p for p in result_plots.plots(results) if p.name == "vcip_leak.svg")
    assert "cocolor_vcip:fused_nir" in str(leak.data)
    assert "cocolor_vcip:nir'" in str(leak.data)
    assert "mean_nir" not in str(leak.data)
    assert "nir_as_gray" not in str(leak.data)


def crowd() -> list[dict[str, Any]]:
    about = {"kind": "ours", "protocol": "vcip-clean"}
    near = [{"psnr": 15 + 0.05 * k, "ae": 5.8 + 0.03 * (k % 3)} for k in range(6)]
    far = [{"psnr": 11.0, "ae": 7.4}, {"psnr": 22.0, "ae": 3.1}]
    return [{**about, **at, "label": f"a_method_of_name_{k}"} for k, at in enumerate(near + far)]


def test_names_in_the_scatter_cover_neither_each_other_nor_a_point() -> None:
    figure = figures.scatter({"points": crowd()})
    (pane,) = figure.axes
    figure.canvas.draw()
    boxes = [Text.get_window_extent(name) for name in pane.texts]  # without the leading lines
    assert len(boxes) == 8
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for box, point in itertools.product(boxes, crowd()):
        x, y = pane.transData.transform((point["psnr"], point["ae"]))
        assert not box.contains(x, y)
    for box in boxes:
        assert pane.bbox.x0 <= box.x0
        assert box.x1 <= pane.bbox.x1
    (legend,) = figure.legends
    assert figure.bbox.x0 <= legend.get_window_extent().x0


def test_curves_on_other_images_have_a_plot_of_their_own(results: Path) -> None:
    other = replace(CURVE, run="unet_s2", validated_on="vcip-clean fold 1 of 5")
    other.save(results / result_plots.CURVES)
    folds = [plot for plot in result_plots.plots(results) if plot.name.startswith("curves")]
    assert [plot.name[-15:-4] for plot in folds] == ["fold_0_of_5", "fold_1_of_5"]
    figure = folds[0].draw(folds[0].data)
    assert [pane.get_title() for pane in figure.axes] == ["PSNR ↑ (dB)", "AE ↓ (°)"]
    (line,) = figure.axes[0].lines
    assert list(zip(*line.get_data(), strict=True)) == [(100, 14.5), (200, 15.25)]


def test_a_curve_survives_its_file(tmp_path: Path) -> None:
    CURVE.save(tmp_path)
    assert load_curves(tmp_path) == [CURVE]
    assert load_curves(tmp_path / "none") == []
    (tmp_path / "bad.json").write_text('{"run": "bad", "metrics": {}}')
    with pytest.raises(UserError, match=r"bad\.json is not a validation curve"):
        load_curves(tmp_path)


def test_a_curve_is_what_the_run_logged_and_needs_no_log_after(
    unet: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, hardware = Path("runs") / "tiny_s3", Hardware(accelerator="cpu", workers=0)
    fit(replace(unet, seed=3), run, hardware)
    longer = replace(unet, seed=3, training=replace(unet.training, steps=9))
    fit(longer, run, hardware, resume=True)
    curve = read_curve(run)
    assert (curve.run, curve.recipe, curve.seed, curve.batch_size) == ("tiny_s3", "tiny_unet", 3, 4)
    assert curve.validated_on == f"{unet.data.protocol} validation"
    assert set(curve.metrics) == {"PSNR", "SSIM", "AE"}
    assert all([step for step, _ in points] == [3, 6, 9] for points in curve.metrics.values())
    (tmp_path / "results" / "runs").mkdir(parents=True)
    assert cli.run(["plot", str(run)]) == 0
    shutil.rmtree(run)
    assert cli.run(["plot", "--check"]) == 0
    assert load_curves(Path("results") / "curves") == [curve]


def test_what_is_missing_is_named(
    unet: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["plot", "--results", str(tmp_path / "none")]) == 1
    assert "no results folder" in capsys.readouterr().err
    assert cli.run(["plot", str(tmp_path), "--results", str(tmp_path)]) == 1
    assert "no checkpoint" in capsys.readouterr().err
