"""The curve of hints: figures against hand-made ones, places that repeat, files and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import AB_SCALE, lab_to_rgb
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.artifacts.checkpoint import Trained, load_trained
from crosschroma.experiments.evaluation.hints_curve import (
    COUNTS,
    PUBLISHED,
    HintsCurve,
    hints_curve,
)
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.plots.hints import plot_hints
from crosschroma.experiments.settings import to_plain
from crosschroma.models.unet import UNet
from crosschroma.models.zhang17.method import Zhang17


class Obedient(Zhang17):
    """Paints what is hinted and nothing else, or a hinted histogram as a whole."""

    seen: list[Batch]

    def colorize(self, batch: Batch) -> torch.Tensor:
        self.seen.append(batch)
        ab = AB_SCALE * batch["hints"][:, :2]
        if "global_hints" in batch:
            ab = ab + 40 * batch["global_hints"][:, 313, None, None, None]
            ab = ab - 40 * batch["global_hints"][:, 315, None, None, None]
        return lab_to_rgb(torch.cat([100 * batch["gray"], ab], 1), gamut="chroma")


def trained_as(unet: Experiment, config: Zhang17.Config, cls: type = Obedient) -> Trained:
    method = cls(config)
    method.seen = []
    experiment = replace(unet, name="tiny", method=config)
    return Trained(method, experiment, 1, 1, 0.0, [], "0" * 64, Path("last.pt"))


@pytest.fixture
def obedient(unet: Experiment) -> Trained:
    return trained_as(unet, Zhang17.Config(width=8, global_hints=True))


def measured(trained: Trained, **settings) -> HintsCurve:
    return hints_curve(trained, **{"counts": (0, 1, 4, 30), "square": 4, **settings})


def test_psnr_rises_with_points_up_to_the_truth(obedient: Trained) -> None:
    curve = measured(obedient)
    values = [point["PSNR"] for point in curve.points]
    assert [point["points"] for point in curve.points] == [0, 1, 4, 30]
    assert values == sorted(values)
    assert values[0] + 1 < values[-1]
    whole = {row["given"]: row["PSNR"] for row in curve.whole}
    assert list(whole) == ["everything", "global histogram", "global saturation"]
    assert whole["everything"] > 45 > values[-1]


def test_global_hints_are_given_one_at_a_time_and_without_points(obedient: Trained) -> None:
    measured(obedient, batch_size=100, images=1)
    [batch] = obedient.method.seen
    assert set(batch) == {"key", "gray", "hints", "global_hints"}
    given = batch["global_hints"][:, [313, 315]].tolist()
    assert given == [[0, 0]] * 5 + [[1, 0], [0, 1]]
    assert batch["hints"][-2:].abs().sum() == 0
    assert batch["hints"][4, 2].mean() == 1


def test_more_points_are_the_fewer_ones_and_further(obedient: Trained) -> None:
    measured(obedient, batch_size=100, images=1)
    masks = obedient.method.seen[0]["hints"][:4, 2]
    assert masks.sum((1, 2))[:2].tolist() == [0, 16]
    for fewer, more in pairwise(masks):
        assert bool((more >= fewer).all())
        assert more.sum() > fewer.sum()


def test_as_many_points_are_revealed_as_are_named(
    obedient: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "crosschroma.experiments.evaluation.hints_curve.reveal",
        lambda ab, hint, *more: hint.add_(1),
    )
    measured(obedient, batch_size=100, images=1)
    shown = obedient.method.seen[0]["hints"][:4, 0, 0, 0]
    assert shown.tolist() == [0, 1, 4, 30]


def test_places_depend_on_seed_and_image_alone(obedient: Trained) -> None:
    def masks(**settings) -> dict[str, torch.Tensor]:
        obedient.method.seen = []
        curve = measured(obedient, batch_size=100, **settings)
        planes = [batch["hints"][1, 2] for batch in obedient.method.seen]
        return dict(zip([row["key"] for row in curve.rows], planes, strict=True))

    one, first = masks(), masks(images=1)
    torch.manual_seed(5)
    again, other = masks(), masks(seed=1)
    assert len(one) == 3
    assert len(first) == 1
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert all(torch.equal(one[key], plane) for key, plane in first.items())
    assert any(not torch.equal(one[key], other[key]) for key in one)
    planes = list(one.values())
    assert not torch.equal(planes[0], planes[1])


def test_batches_do_not_change_the_figures(obedient: Trained) -> None:
    assert measured(obedient).rows == measured(obedient, batch_size=3).rows


def test_summary_is_mean_and_standard_error_of_the_rows(obedient: Trained) -> None:
    curve = measured(obedient)
    values = np.array([row["4"] for row in curve.rows])
    point = curve.points[2]
    assert point["PSNR"] == pytest.approx(values.mean(), abs=1e-4)
    assert point["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(3), abs=1e-4)


def test_methods_without_global_hints_have_no_rows_of_them(unet: Experiment) -> None:
    curve = measured(trained_as(unet, Zhang17.Config(width=8)))
    assert [row["given"] for row in curve.whole] == ["everything"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"counts": ()}, "--points"),
        ({"counts": (-1, 2)}, "--points"),
        ({"square": 0}, "--square 0: must be 1 to 9"),
        ({"square": 10}, "--square 10"),
        ({"images": -1}, "--count"),
        ({"batch_size": 0}, "--batch-size"),
    ],
)
def test_settings_are_checked(obedient: Trained, settings: dict, text: str) -> None:
    with pytest.raises(UserError, match=text):
        measured(obedient, **settings)


def test_a_method_without_hints_is_refused(unet: Experiment) -> None:
    trained = replace(
        trained_as(unet, Zhang17.Config(width=8)), method=UNet.Config(width=4, levels=2).build()
    )
    with pytest.raises(UserError, match="unet takes no hints"):
        measured(trained)


def test_the_published_curve_is_the_default_and_rises() -> None:
    assert tuple(PUBLISHED) == COUNTS
    assert len(COUNTS) == 26
    assert (PUBLISHED[0], PUBLISHED[10], PUBLISHED[501]) == (24.43, 28.42, 32.14)
    assert list(PUBLISHED.values()) == sorted(PUBLISHED.values())


def test_plots_repeat_and_say_whose_curve_is_whose(obedient: Trained, tmp_path: Path) -> None:
    curve = measured(obedient)
    for name in ("one.svg", "two.svg", "one.png"):
        plot_hints(curve, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    text = (tmp_path / "one.svg").read_text()
    assert "tiny on scenes (3 images)" in text
    assert "published: Zhang et al. 2017 (other images: first 1000" in text
    with pytest.raises(UserError, match="cannot write the plot"):
        plot_hints(curve, tmp_path / "one.nonsense")


def test_the_command_writes_table_file_and_plot(
    unet: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Zhang17.Config(width=8)
    experiment = replace(unet, name="tiny", method=config)
    torch.manual_seed(0)
    state = {
        "inference": {"generator": config.build().generator.state_dict()},
        "experiment": to_plain(experiment),
        "starts": [],
        "step": 7,
        "train_s": 0.0,
    }
    checkpoint.save_checkpoint(tmp_path / "best.pt", state)
    argv = ["hints-curve", "best.pt", "--points", "0", "5", "--count", "2", "--device", "cpu"]
    assert cli.run([*argv, "--out", "curve.json", "--plot", "curve.svg"]) == 0
    out = capsys.readouterr().out
    assert "24.43" in out
    assert "27.39" in out
    assert "other images" in out
    written = json.loads((tmp_path / "curve.json").read_text())
    curve = hints_curve(load_trained(tmp_path / "best.pt"), counts=(0, 5), images=2)
    assert written["points"] == curve.points
    assert written["rows"] == curve.rows
    assert written["weights"]["step"] == 7
    assert (written["recipe"], written["dataset"], written["seed"]) == ("tiny", "scenes", 0)
    assert written["metric_protocol"]["view"] == "stretched to 32x32"
    assert (tmp_path / "curve.svg").is_file()
