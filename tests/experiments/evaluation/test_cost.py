"""Arithmetic and time of one picture, and their place in run files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from crosschroma.datasets.loading.loader import Images
from crosschroma.datasets.loading.views import EvalView
from crosschroma.experiments.artifacts import run_file
from crosschroma.experiments.evaluation import cost
from crosschroma.experiments.evaluation.baselines import NirCopy
from crosschroma.experiments.evaluation.evaluate import evaluate_method
from crosschroma.experiments.experiment import Experiment
from torch import nn


def test_macs_are_those_of_the_formula() -> None:
    conv, up = nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 4, 2, stride=2)
    plane = torch.rand(1, 3, 16, 16)
    assert cost.macs(conv, plane) == 3 * 8 * 9 * 16 * 16
    both = nn.Sequential(conv, up)
    assert cost.macs(both, plane) == 3 * 8 * 9 * 16 * 16 + 8 * 4 * 4 * 16 * 16


def test_a_parameter_may_be_what_a_module_is_given() -> None:
    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.layer = nn.Embedding(5, 4), nn.Linear(4, 3)

        def forward(self, plane: torch.Tensor) -> torch.Tensor:
            return self.layer(self.queries.weight.expand(len(plane), -1, -1)).sum() * plane

    network = Queries()
    assert cost.macs(network, torch.rand(2, 1, 8, 8)) == 2 * 5 * 4 * 3
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_methods_work_is_its_networks_and_grows_with_the_picture(unet: Experiment) -> None:
    method = unet.method.build().eval()
    test = unet.data.split("test")
    found = {side: cost.cost(method, Images(test, EvalView(size=side))) for side in (32, 64)}
    assert found[32]["size"] == "32x32"
    assert found[64]["macs"] == 4 * found[32]["macs"]
    assert found[32]["macs"] == cost.macs(method.generator, torch.rand(1, 1, 32, 32))
    assert all(one["ms"] > 0 for one in found.values())


def test_the_median_of_warm_pictures_is_taken(unet: Experiment, monkeypatch) -> None:
    clock = iter([0, 0.5, 10, 10.001, 20, 20.003])
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(clock))
    images = Images(unet.data.split("test"), EvalView(size=32))
    assert len(images) == 3
    assert cost.cost(unet.method.build().eval(), images)["ms"] == 3


def test_run_files_hold_it_and_old_ones_need_not(unet: Experiment, tmp_path: Path) -> None:
    method = unet.method.build()
    run = evaluate_method(method, unet.data, unet.eval_view, metrics=("PSNR",))
    path = tmp_path / "run.json"
    run.save(path)
    assert run_file.load_run_file(path).cost == run.cost
    assert run.cost.keys() == {"size", "macs", "ms"}
    old = json.loads(path.read_text())
    del old["cost"]
    path.write_text(json.dumps(old))
    assert run_file.load_run_file(path) == dataclasses.replace(
        run_file.load_run_file(path), cost={}
    )


def test_no_network_or_no_one_size_has_none(unet: Experiment) -> None:
    assert not evaluate_method(NirCopy(), unet.data, EvalView(size=32), metrics=("PSNR",)).cost
    native = evaluate_method(unet.method.build(), unet.data, EvalView(size=None), metrics=("PSNR",))
    assert not native.cost
