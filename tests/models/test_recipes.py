"""What every recipe's method must do; a new recipe is tested from its first commit."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
import torch
from batches import smooth_batch
from crosschroma.datasets.base.batch import Batch, to_device
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.experiments import recipe_list
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.settings import from_plain, to_plain
from crosschroma.experiments.training.devices import whole_float32
from crosschroma.losses.terms import Terms, check_finite, raw_values, weighted_sum
from crosschroma.models.base.method import Method
from networks import different_networks
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

RECIPES = {name: recipe_list.load_recipe(name) for name in recipe_list.recipe_names()}


# methods and recipes: four colorizers' work a step, of which test_cocolor fits a smaller one;
# resnet_unet_gan's network; colormamba, of which the small design is fitted for NIR
SLOW_TO_FIT = {"cocolor", "nogan", "budget_colormamba", "colormamba_released"}
# methods whose step asks for numbers: the critic's loss decides whose turn it is; objects are cut
# out one by one; hints are drawn one by one, on the CPU
WAIT = {"nogan", "instance_aware", "zhang17"}
# pixels a side: a stage of its own learns at that size
FITTED_AT = {"nogan": 64}


def _different_methods() -> list[Any]:
    """The first recipe of each method and domain, ablations apart."""
    kinds = {}
    for name in recipe_list.recipe_names():
        method = RECIPES[name].method
        key = (type(method), getattr(method, "domain", None))
        kinds.setdefault(key, name)
    return [
        pytest.param(
            name,
            marks=[pytest.mark.slow]
            * bool({name, RECIPES[name].method.method_class.name} & SLOW_TO_FIT),
        )
        for name in kinds.values()
    ]


class PlainStep:
    """The engine's side of a step, without an engine."""

    def __init__(self, method: Method, index: int = 0) -> None:
        self.index, self.method, self.optimizers = index, method, method.optimizers()
        self.reached: dict[str, set[str]] = {}
        self.left: set[str] = set()  # had a gradient that no optimiser took
        self.terms: dict[str, float] = {}

    def gradients(self) -> set[str]:
        """Parameters that have one."""
        with _disable_current_modes():
            return {
                name
                for name, p in self.method.named_parameters()
                if p.grad is not None and p.grad.abs().sum() > 0
            }

    def backward(self, terms: Terms, optimizer: str) -> None:
        self.left |= self.gradients()
        weighted_sum(terms).backward()
        with _disable_current_modes():
            check_finite(tuple(terms), raw_values(terms), self.index)
            self.terms |= {name: term.value.item() for name, term in terms.items()}

    def update(self, optimizer: str) -> None:
        groups = self.optimizers[optimizer].param_groups
        owned = {id(p) for group in groups for p in group["params"]}
        own = {name for name, p in self.method.named_parameters() if id(p) in owned}
        self.reached[optimizer] = self.gradients() & own
        with _disable_current_modes():
            self.optimizers[optimizer].step()
        self.optimizers[optimizer].zero_grad()

    def frozen(self, *networks: str):
        return _Frozen([self.method.get_submodule(name) for name in networks])


class _Frozen:
    def __init__(self, modules: list[torch.nn.Module]) -> None:
        self.modules = modules

    def __enter__(self) -> None:
        for module in self.modules:
            module.requires_grad_(False)

    def __exit__(self, *exc: object) -> None:
        for module in self.modules:
            module.requires_grad_(True)


class NoWaiting(TorchDispatchMode):
    """Refuses what makes a program wait for its GPU: numbers, and shapes that depend on values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aten = torch.ops.aten
        waits = func in (aten._local_scalar_dense.default, aten.nonzero.default)
        waits |= func in (aten.masked_select.default, aten.equal.default)
        if func is aten.index.Tensor:
            waits = any(index is not None and index.dtype == torch.bool for index in args[1])
        assert not waits, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=sorted(RECIPES))
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return RECIPES[request.param]


@pytest.fixture(scope="module", params=different_networks())
def small(request: pytest.FixtureRequest) -> Method:
    """Built once for all tests of it: what changes it takes a copy."""
    torch.manual_seed(0)
    return RECIPES[request.param].method.smoke().build()


@pytest.fixture(scope="module")
def trained(small: Method) -> tuple[Method, PlainStep]:
    """A copy after one step, in which nothing may wait for the device but what is known to."""
    method = copy.deepcopy(small)
    step = PlainStep(method)
    waits = method.name in WAIT or getattr(method.config, "shift", 0)
    torch.manual_seed(0)
    with contextlib.nullcontext() if waits else NoWaiting():
        method.train().training_step(smooth_batch(4, 64, 64), step)
    return method, step


def test_is_named_as_its_file(experiment: Experiment, request: pytest.FixtureRequest) -> None:
    assert experiment.name in request.node.name


def test_config_survives_json(experiment: Experiment) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(experiment))), Experiment) == experiment


@pytest.mark.parametrize("size", [(32, 32), (45, 67), (100, 33)])
def test_colorize_keeps_the_size_and_range(small: Method, size: tuple) -> None:
    batch = smooth_batch(1, *size)
    rgb = small.eval().colorize(batch)
    assert rgb.shape == (1, 3, *size)
    assert rgb.isfinite().all()
    assert rgb.min() >= 0
    assert rgb.max() <= 1


def test_colorize_needs_no_target(small: Method) -> None:
    batch = smooth_batch(1, 32, 32)
    given = Batch(key=batch["key"], **{small.domain: batch[small.domain]})
    assert torch.equal(small.eval().colorize(given), small.colorize(batch))


def test_gray_input_keeps_its_luminance(small: Method) -> None:
    if small.domain != "gray":
        pytest.skip("not a gray method")
    batch = smooth_batch(2, 40, 56)
    lightness = rgb_to_lab(small.eval().colorize(batch))[:, :1]
    assert (lightness - 100 * batch["gray"]).abs().max() < 0.1


def test_batch_of_two_equals_two_of_one(small: Method) -> None:
    small.eval()
    both = smooth_batch(2, 48, 40)
    alone = [
        small.colorize(
            Batch(key=["image"], gray=both["gray"][i : i + 1], nir=both["nir"][i : i + 1])
        )
        for i in range(2)
    ]
    difference = (small.colorize(both) - torch.cat(alone)).abs()
    # where a colour leaves sRGB, rounding may end the search for its chroma a step (1/4096) apart
    assert difference.max() < 5e-4
    assert (difference > 2e-5).float().mean() < 1e-3


def test_gradients_reach_each_optimizers_parameters_and_no_other(
    trained: tuple[Method, PlainStep],
) -> None:
    method, step = trained
    owned = {
        name: {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, optimizer in step.optimizers.items()
    }
    everything = dict(method.named_parameters())
    assert set().union(*owned.values()) == {id(p) for p in everything.values()}
    for optimizer, reached in step.reached.items():
        expected = {name for name, p in everything.items() if id(p) in owned[optimizer]}
        assert reached == expected
    assert not step.left | step.gradients()


def test_optimizers_hold_parameters_in_their_networks_order(small: Method) -> None:
    """A resumed run finds an optimiser's state again by position only."""
    place = {id(p): index for index, p in enumerate(small.parameters())}
    for optimizer in small.optimizers().values():
        for group in optimizer.param_groups:
            places = [place[id(p)] for p in group["params"]]
            assert places == sorted(places)


def test_saved_weights_make_the_same_pixels(trained: tuple[Method, PlainStep]) -> None:
    method, _ = trained
    batch = smooth_batch(1, 32, 48)
    torch.manual_seed(1)
    other = type(method)(method.config)
    for name, network in method.networks().items():
        other.get_submodule(name).load_state_dict(network.state_dict())
    assert torch.equal(method.eval().colorize(batch), other.eval().colorize(batch))


@pytest.mark.gpu
def test_colours_on_cuda_equal_the_cpus(small: Method, cuda: torch.device) -> None:
    whole_float32()
    batch = smooth_batch(2, 48, 40)
    expected = small.eval().colorize(batch)
    prediction = copy.deepcopy(small).to(cuda).colorize(to_device(batch, cuda))
    assert prediction.device.type == "cuda"
    assert (prediction.cpu() - expected).abs().max() <= 1 / 255


@pytest.mark.parametrize(
    ("device", "dtype", "tolerance"),
    [
        pytest.param("cpu", torch.bfloat16, 0.1, marks=pytest.mark.slow),
        pytest.param("cuda", torch.float32, 0.01, marks=pytest.mark.gpu),
        pytest.param("cuda", torch.bfloat16, 0.1, marks=pytest.mark.gpu),
    ],
    indirect=["device"],
    ids=lambda value: str(value).removeprefix("torch."),
)
def test_a_training_step_has_the_losses_of_the_cpu_in_float32(
    small: Method, device: torch.device, dtype: torch.dtype, tolerance: float
) -> None:
    """On each device and in mixed precision, to what rounding does to a loss; without dropout."""
    whole_float32()
    small = copy.deepcopy(small)
    for module in small.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    batch = smooth_batch(4, 64, 64)
    moved = copy.deepcopy(small).to(device)
    terms = []
    for method, given, half in (
        (small, batch, False),
        (moved, to_device(batch, device), dtype == torch.bfloat16),
    ):
        step = PlainStep(method)
        torch.manual_seed(0)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            method.train().training_step(given, step)
        terms.append(step.terms)
    expected, computed = terms
    assert computed.keys() == expected.keys()
    for name, value in expected.items():
        assert computed[name] == pytest.approx(value, rel=tolerance, abs=tolerance / 10), name
    assert all(p.isfinite().all() for p in moved.parameters())


@pytest.mark.parametrize("recipe", _different_methods())
def test_four_images_are_fitted(recipe: str) -> None:
    """Colour error on four images falls to a third: the losses pull towards the target."""
    torch.manual_seed(0)
    small = RECIPES[recipe].method.smoke().build()
    side = FITTED_AT.get(small.name, 32)
    batch = smooth_batch(4, side, side)
    before = _colour_error(small, batch)
    step = PlainStep(small)
    for _ in range(40):
        for _ in range(5):
            small.train().training_step(batch, step)
        if _colour_error(small, batch) < before / 3:
            return
    pytest.fail(f"colour error {before:.2f} has only fallen to {_colour_error(small, batch):.2f}")


def _colour_error(method: Method, batch: Batch) -> float:
    with torch.no_grad():
        difference = rgb_to_lab(method.eval().colorize(batch)) - rgb_to_lab(batch["rgb"])
    return difference[:, 1:].abs().mean().item()
