"""The average of weights: its formula, what it leaves alone, and what it saves."""

from __future__ import annotations

import pytest
import torch
from crosschroma.experiments.training.ema import WeightAverage
from torch import nn


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
        "other": nn.Linear(2, 1),
    }


def change(of: dict[str, nn.Module], value: float) -> None:
    """Weights and running averages become ``value``; BatchNorm counts one more batch."""
    with torch.no_grad():
        for network in of.values():
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.is_floating_point():
                    tensor.fill_(value)
                else:
                    tensor.add_(1)


def values(state: dict) -> set[float]:
    return {round(v, 6) for n in state.values() for t in n.values() for v in t.flatten().tolist()}


@pytest.mark.parametrize("decay", [0.9, 0.25])
def test_the_average_is_that_of_its_formula(decay: float) -> None:
    present = networks()
    average = WeightAverage(present, decay)
    expected = 0.0
    for n, value in enumerate((3.0, -1.0, 7.0, 2.0)):
        change(present, value)
        average.update()
        kept = min(decay, (1 + n) / (10 + n)) if n else 0.0  # the random start is forgotten
        expected = kept * expected + (1 - kept) * value
    with average.applied():
        shown = {name: network.state_dict() for name, network in present.items()}
        for network in shown.values():
            for name, tensor in network.items():
                wanted = 4.0 if name.endswith("num_batches_tracked") else expected
                torch.testing.assert_close(
                    tensor.double(), torch.full_like(tensor, wanted).double()
                )
    after = {name: network.state_dict() for name, network in present.items()}
    assert values(after) == {2.0, 4.0}


def test_what_is_saved_goes_on_as_if_never_stopped() -> None:
    present = networks()
    whole, cut = WeightAverage(present, 0.9), WeightAverage(present, 0.9)
    for value in (3.0, -1.0):
        change(present, value)
        whole.update()
        cut.update()
    resumed = WeightAverage(networks(), 0.9)
    resumed.load_state_dict(cut.state_dict())
    again = WeightAverage(present, 0.9)
    again.load_state_dict(cut.state_dict())
    change(present, 5.0)
    whole.update()
    again.update()
    assert values(resumed.state_dict()) == values(cut.state_dict())
    for name, state in whole.state_dict().items():
        assert state["n_averaged"] == 3
        for key, value in state.items():
            assert torch.equal(value, again.state_dict()[name][key])


def test_checkpoints_of_torchs_average_are_understood() -> None:
    """Runs that were begun with torch's own ``AveragedModel`` go on."""
    present = networks()
    theirs = torch.optim.swa_utils.AveragedModel(present["other"], use_buffers=True)
    theirs.update_parameters(present["other"])
    ours = WeightAverage({"other": present["other"]}, 0.9)
    ours.load_state_dict({"other": theirs.state_dict()})
    assert ours.state_dict()["other"].keys() == theirs.state_dict().keys()
    assert ours.state_dict()["other"]["n_averaged"] == 1


def test_the_average_needs_no_gradient_and_gives_none() -> None:
    present = networks()
    average = WeightAverage(present, 0.9)
    average.update()
    assert all(p.requires_grad for network in present.values() for p in network.parameters())
    assert not any(v.requires_grad for s in average.state_dict().values() for v in s.values())
    assert len(list(average.buffers())) == 3
