"""Senseless numbers on the command line are refused before anything is done."""

from __future__ import annotations

import pytest
from crosschroma.experiments import cli

TRAIN = "train unet_scenes_nir"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (f"{TRAIN} --seed -1", "--seed -1: must be 0 to 4"),
        (f"{TRAIN} --method.lr nan", "--method.lr nan: must be a finite number"),
        (f"{TRAIN} --method.lr inf", "--method.lr inf: must be a finite number"),
        (f"{TRAIN} --method.lr -1", "--method.lr -1.0: must not be negative"),
        (f"{TRAIN} --method.width 0", "--method.width 0: must be 1 to 65536"),
        (f"{TRAIN} --method.width -4", "--method.width -4: must be 1 to 65536"),
        (f"{TRAIN} --method.levels 40", "--method.levels 40: must be 1 to 12"),
        (f"{TRAIN} --method.extra.ssim -1", "--method.extra.ssim -1.0: must not be negative"),
        (f"{TRAIN} --hardware.workers -1", "--hardware.workers -1: must not be negative"),
        (f"{TRAIN} --hardware.devices 0", "--hardware.devices 0: must be at least 1"),
        (f"{TRAIN} --training.patience 0", "--training.patience 0: must be at least 1"),
        (f"{TRAIN} --training.clip-norm -1", "--training.clip-norm -1.0: must be positive"),
        (f"{TRAIN} --training.ema-decay 2", "--training.ema-decay 2.0: must be at least 0 and"),
        (f"{TRAIN} --train-view.nir-noise nan", "--train-view.nir-noise nan: must be a finite"),
        (f"{TRAIN} --train-view.size 10000000", "--train-view.size 10000000: must be 1 to"),
        (f"{TRAIN} --data.count-train 0", "--data.count-train 0: must be at least 1"),
        ("train cocolor_vcip --method.translator-lr -1", "--method.translator-lr -1.0: must"),
        ("evaluate runs/x --batch-size 0", "--batch-size 0: must be at least 1"),
        ("evaluate runs/x --workers -1", "--workers -1: must not be negative"),
        ("hints-curve runs/x --points 1 -1", "--points, value 2: -1: must not be negative"),
        ("hints-curve runs/x --square 10", "--square 10: must be 1 to 9"),
        ("gallery runs/x --count 0", "--count 0: must be at least 1"),
        ("compare runs/x --size 8", "--size 8: must be 32 to 65536"),
        ("colorize x.png --strength nan", "--strength nan: must be a finite number"),
        ("colorize x.png --size 0", "--size 0: must be 1 to 65536"),
        ("colorize x.png --crf -1", "--crf -1: must not be negative"),
        ("reproduce scenes --seed 0 -1", "--seed, value 2: -1: must be 0 to 4"),
        ("compress runs/x --sparsity 2", "--sparsity, value 1: 2.0: must be 0 to 1"),
        ("ui --port 99999", "--port 99999: must be 0 to 65535"),
        ("import-weights zhang16 --temperature nan", "--temperature nan: must be a finite number"),
        ("score x --dataset vcip --size=-1", "--size -1: must be 0 to 65536"),
        ("bench data --count 0", "--count 0: must be at least 1"),
        ("data boxes scenes --min-score 2", "--min-score 2.0: must be 0 to 1"),
        ("data check scenes --count-test -1", "count-test -1: must be at least 1"),
    ],
)
def test_a_senseless_number_is_one_line(
    command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(command.split()) in (1, 2)
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
