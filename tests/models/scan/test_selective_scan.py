"""The selective scan: every backend against loops, and the two public functions' manners."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.models.scan import selective_scan as scan
from crosschroma.models.scan.selective_scan import DIRECTIONS, selective_scan, selective_scan_2d
from torch import Tensor

BACKENDS = [name for name, reason in scan.available("cpu").items() if not reason]
FAST = [name for name in BACKENDS if name != "reference"]
COMPILED = [name for name in FAST if name != "mamba_ssm"]
OPTIONAL = ("D", "z", "delta_bias")

Case = tuple[int, int, int, int, int, int, tuple[str, ...]]
Size = tuple[int, int, int]

# images, height, width, channels, states, groups, directions: ragged against chunks of 64 steps
CASES: dict[str, Case] = {
    "one pixel": (2, 1, 1, 4, 4, 1, DIRECTIONS),
    "a row": (2, 1, 63, 5, 3, 1, ("rows",)),
    "four directions": (2, 4, 5, 6, 2, 1, DIRECTIONS),
    "one chunk": (1, 8, 8, 16, 16, 1, ("rows", "columns")),
    "a chunk and one": (1, 5, 13, 40, 8, 1, ("columns", "rows_reversed")),
    "two chunks": (1, 10, 13, 32, 1, 1, ("columns_reversed", "rows")),
    "groups": (1, 3, 25, 24, 16, 3, ("rows_reversed",)),
}
SMALL: Case = (1, 5, 13, 20, 8, 1, ("columns_reversed", "columns"))
# Triton's interpreter is slow: of each feature it runs two channels in one tile (a chunk of steps
# by a block of channels), which all backends run as well, and the rest where slow tests run
TILE: Case = (1, 4, 3, 2, 2, 1, ("columns_reversed", "columns"))
TWO_GROUPS: Case = (1, 1, 5, 2, 2, 2, ("rows_reversed",))
TILES: dict[str, Case] = {
    "one tile": (1, 2, 3, 2, 2, 1, DIRECTIONS),
    "two tiles of steps": (1, 1, 65, 2, 2, 1, ("rows",)),
    "two groups": TWO_GROUPS,
}


def sizes(large: Any, tile: Any, names: Sequence[str] = FAST) -> list[Any]:
    """(backend, case): ``large`` in each backend, and ``tile`` in Triton's by default."""
    slow = {"triton": [pytest.mark.slow]}
    params = [pytest.param(name, large, marks=slow.get(name, []), id=name) for name in names]
    return params + [pytest.param("triton", tile, id="triton-tile")] * ("triton" in names)


def make_inputs(
    case: Case, *, steps: float = 1.0, without: tuple[str, ...] = (), seed: int = 0
) -> dict[str, Any]:
    """Random float64 inputs of ``selective_scan_2d``; ``steps`` scales delta."""
    batch, height, width, d, n, groups, directions = case
    k = len(directions)
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    pixels = (batch, height, width)
    own = (groups, n) if groups > 1 else (n,)
    inputs = {
        "u": normal(*pixels, d),
        "delta": steps * normal(*pixels, k, d),
        "A": -torch.rand(k, d, n, generator=generator, dtype=torch.float64)
        * torch.arange(1, n + 1, dtype=torch.float64),
        "B": normal(*pixels, k, *own),
        "C": normal(*pixels, k, *own),
        "D": normal(k, d),
        "z": normal(*pixels, d),
        "delta_bias": normal(k, d),
    }
    return {name: x for name, x in inputs.items() if name not in without}


def run(inputs: dict[str, Any], dtype: torch.dtype, **options: Any) -> dict[str, Tensor]:
    """The result and the gradient of every input, under a fixed upstream gradient."""
    leaves = {name: x.detach().to(dtype).requires_grad_() for name, x in inputs.items()}
    y = selective_scan_2d(**leaves, **options)
    upstream = torch.linspace(-1, 1, y.numel()).reshape(y.shape).roll(y.shape[-1] // 2, -1)
    y.backward(upstream.to(y.dtype))
    gradients = {f"d{name}": x.grad for name, x in leaves.items()}
    return {"y": y.detach(), **{name: g for name, g in gradients.items() if g is not None}}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    """Relative to the largest value of each tensor."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = value.abs().max().clamp_min(1e-12)
        error = ((found[name].double() - value.double()).abs().max() / scale).item()
        assert error <= tolerance, f"{name}: {error:.1e}"


def naive(inputs: dict[str, Any], directions: tuple[str, ...], softplus: bool) -> np.ndarray:
    """The definition, one number at a time, in float64."""
    x = {name: value.numpy() for name, value in inputs.items()}
    batch, height, width, d = x["u"].shape
    n = x["A"].shape[-1]
    walk = [(i, j) for i in range(height) for j in range(width)]
    walks = {
        "rows": walk,
        "columns": [(i, j) for j in range(width) for i in range(height)],
        "rows_reversed": walk[::-1],
        "columns_reversed": [(i, j) for j in range(width) for i in range(height)][::-1],
    }
    y = np.zeros_like(x["u"])
    for image, (k, name), channel in product(range(batch), enumerate(directions), range(d)):
        h = np.zeros(n)
        for i, j in walks[name]:
            step = x["delta"][image, i, j, k, channel] + x["delta_bias"][k, channel]
            step = np.log1p(np.exp(step)) if softplus else step
            u = x["u"][image, i, j, channel]
            h = np.exp(step * x["A"][k, channel]) * h + step * x["B"][image, i, j, k] * u
            y[image, i, j, channel] += h @ x["C"][image, i, j, k] + x["D"][k, channel] * u
    return y * x["z"] / (1 + np.exp(-x["z"]))


@pytest.mark.parametrize("softplus", [True, False])
def test_the_reference_computes_the_definition(softplus: bool) -> None:
    inputs = make_inputs((2, 3, 4, 2, 3, 1, DIRECTIONS), steps=0.3)
    y = selective_scan_2d(**inputs, delta_softplus=softplus, backend="reference")
    np.testing.assert_allclose(y.numpy(), naive(inputs, DIRECTIONS, softplus), rtol=1e-12)


@pytest.mark.parametrize(
    ("backend", "case"),
    [
        pytest.param(
            backend,
            case,
            marks=[pytest.mark.slow] * (backend == "triton" and name in CASES),
            id=f"{name}-{backend}",
        )
        for (name, case), backend in product((CASES | TILES).items(), FAST)
    ],
)
def test_values_and_gradients(backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    wanted = run(inputs, torch.float64, directions=case[-1], backend="reference")
    found = run(inputs, torch.float32, directions=case[-1], backend=backend)
    assert_close(found, wanted, 2e-6)


@pytest.mark.parametrize(("backend", "case"), sizes(SMALL, TILE))
@pytest.mark.parametrize("without", [("D",), ("z",), ("delta_bias",), OPTIONAL])
def test_optional_inputs(backend: str, case: Case, without: tuple[str, ...]) -> None:
    inputs = make_inputs(case, without=without)
    wanted = run(inputs, torch.float64, directions=case[-1], backend="reference")
    found = run(inputs, torch.float32, directions=case[-1], backend=backend)
    assert_close(found, wanted, 2e-6)


@pytest.mark.parametrize(("backend", "case"), sizes(CASES["groups"], TWO_GROUPS))
def test_steps_that_are_given_as_they_are(backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    inputs["delta"] = inputs["delta"].abs()
    inputs["delta_bias"] = inputs["delta_bias"].abs()
    options = {"directions": ("rows_reversed",), "delta_softplus": False}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    assert_close(run(inputs, torch.float32, backend=backend, **options), wanted, 2e-6)


@pytest.mark.parametrize(("backend", "case"), sizes((1, 4, 33, 16, 16, 1, SMALL[-1]), TILE))
def test_large_steps_neither_overflow_nor_lose_digits(backend: str, case: Case) -> None:
    """exp(-cumsum) forms give NaN here."""
    inputs = make_inputs(case, steps=4.0)
    inputs["delta"][:, ::2] = 8.0
    inputs["delta"][:, 1] = -40.0  # softplus: almost no step
    options = {"directions": case[-1]}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    assert all(x.isfinite().all() for x in wanted.values())
    assert_close(run(inputs, torch.float32, backend=backend, **options), wanted, 1e-5)


@pytest.mark.parametrize(("backend", "case"), sizes(CASES["one chunk"], TILE))
def test_bfloat16_costs_only_its_own_rounding(backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    inputs = {name: x.bfloat16() for name, x in inputs.items()}
    options = {"directions": case[-1]}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    found = run(inputs, torch.bfloat16, backend=backend, **options)
    assert all(x.dtype == torch.bfloat16 for x in found.values())
    assert_close(found, wanted, 2**-7)  # the upstream gradient is rounded, too


@pytest.mark.parametrize(("backend", "case"), sizes(SMALL, TILE))
def test_mixed_types_as_under_autocast(backend: str, case: Case) -> None:
    inputs = {name: x.float() for name, x in make_inputs(case).items()}
    inputs["delta"] = inputs["delta"].bfloat16()
    inputs["B"] = inputs["B"].bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = selective_scan_2d(**inputs, directions=case[-1], backend=backend)
    assert y.dtype == torch.float32
    exact = {name: x.double() for name, x in inputs.items()}
    wanted = selective_scan_2d(**exact, directions=case[-1], backend="reference")
    assert_close({"y": y}, {"y": wanted}, 2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_nothing_gives_nothing(backend: str, shape: tuple[int, int, int]) -> None:
    inputs = make_inputs((*shape, 4, 2, 1, DIRECTIONS))
    found = run(inputs, torch.float32, backend=backend)
    assert found["y"].shape == (*shape, 4)
    assert all(not g.any() for g in found.values())


@pytest.mark.parametrize(("backend", "case"), sizes(SMALL, TILE))
def test_strided_inputs(backend: str, case: Case) -> None:
    """As a network makes them: parts of one product, or with the directions outermost."""
    inputs = {name: x.float() for name, x in make_inputs(case).items()}
    options = {"directions": case[-1], "backend": backend}

    def results(given: dict[str, Tensor]) -> dict[str, Tensor]:
        leaves = {name: x.detach().requires_grad_() for name, x in given.items()}
        y = selective_scan_2d(**leaves, **options)
        found = torch.autograd.grad(y.square().sum(), list(leaves.values()))
        return {"y": y.detach(), **dict(zip(leaves, found, strict=True))}

    wanted = results(inputs)
    parts = {k: torch.cat([x, x + 1], dim=-1)[..., : x.shape[-1]] for k, x in inputs.items()}
    assert_close(results(parts), wanted, 1e-6)
    apart = {k: torch.stack([x, x + 1], dim=-1)[..., 0] for k, x in inputs.items()}
    assert_close(results(apart), wanted, 1e-6)
    outermost = {**inputs, "delta": inputs["delta"].movedim(3, 0).contiguous().movedim(0, 3)}
    assert_close(results(outermost), wanted, 1e-6)


@pytest.mark.parametrize(("backend", "case"), sizes(SMALL, TILE))
def test_deterministic_mode(backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    torch.use_deterministic_algorithms(True)
    try:
        runs = [run(inputs, torch.float32, directions=case[-1], backend=backend) for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_gradcheck_of_the_portable_backend() -> None:
    inputs = make_inputs((1, 3, 23, 2, 2, 1, ("rows", "columns_reversed")))
    leaves = [x.requires_grad_() for x in inputs.values()]

    def scanned(*xs: Tensor) -> Tensor:
        return selective_scan_2d(*xs, directions=("rows", "columns_reversed"), backend="torch")

    assert torch.autograd.gradcheck(scanned, leaves, fast_mode=True)


@pytest.mark.parametrize(
    ("backend", "case"),
    sizes((2, 1, 70, 4, 2, 1, ("rows",)), (1, 1, 5, 2, 2, 1, ("rows",)), COMPILED),
)
def test_the_custom_operators_keep_torchs_rules(backend: str, case: Case) -> None:
    inputs = {name: x.float() for name, x in make_inputs(case).items()}
    images, height, width, d, *_ = case
    size = (images, height * width)
    flat = {
        "u": inputs["u"].reshape(*size, d),
        "delta": inputs["delta"].reshape(*size, 1, d),
        "A": inputs["A"],
        "B": inputs["B"].reshape(*size, 1, 1, 2),
        "C": inputs["C"].reshape(*size, 1, 1, 2),
        "D": None,
        "z": inputs["z"].reshape(*size, d),
        "bias": inputs["delta_bias"],
    }
    tensors = [x if x is None else x.requires_grad_() for x in flat.values()]
    torch.library.opcheck(scan._scan, (*tensors, [height, width], [0], True, backend))


@pytest.mark.parametrize(("backend", "case"), sizes(SMALL, TILE, COMPILED))
def test_compile_keeps_one_graph(backend: str, case: Case) -> None:
    inputs = {name: x.float() for name, x in make_inputs(case).items()}
    inputs = {name: x.requires_grad_() for name, x in inputs.items()}

    def network(**given: Tensor) -> Tensor:
        return selective_scan_2d(**given, directions=case[-1], backend=backend).square()

    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    found, wanted = compiled(**inputs), network(**inputs)
    torch.testing.assert_close(found, wanted)
    both = [torch.autograd.grad(y.sum(), list(inputs.values())) for y in (found, wanted)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other)


KINDS = ("constant", "variable", "grouped")


def sequence_inputs(b_kind: str, c_kind: str, size: Size = (2, 12, 70)) -> dict[str, Tensor]:
    """Random float64 inputs of ``selective_scan``; ``size``: images, channels, steps."""
    batch, d, length = size
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    shapes = {
        "constant": (d, 4),
        "variable": (batch, 4, length),
        "grouped": (batch, 3, 4, length),
    }
    return {
        "u": normal(*size),
        "delta": normal(*size),
        "A": -torch.rand(d, 4, generator=generator, dtype=torch.float64),
        "B": normal(*shapes[b_kind]),
        "C": normal(*shapes[c_kind]),
        "D": normal(d),
        "z": normal(*size),
        "delta_bias": normal(d),
    }


@pytest.mark.parametrize(("b_kind", "c_kind"), list(product(KINDS, KINDS)))
def test_each_kind_of_b_and_c(b_kind: str, c_kind: str) -> None:
    assert_means_what_mamba_ssm_does("torch", b_kind, c_kind, (2, 12, 70))


@pytest.mark.parametrize(
    ("backend", "size"),
    sizes((2, 12, 70), (1, 3, 5), [name for name in BACKENDS if name != "torch"]),
)
def test_the_sequence_form_in_each_backend(backend: str, size: Size) -> None:
    assert_means_what_mamba_ssm_does(backend, "grouped", "variable", size)


def assert_means_what_mamba_ssm_does(backend: str, b_kind: str, c_kind: str, size: Size) -> None:
    batch, d, length = size
    inputs = sequence_inputs(b_kind, c_kind, size)
    single = {name: x.float() for name, x in inputs.items()}
    y, last = selective_scan(**single, delta_softplus=True, return_last_state=True, backend=backend)

    def at(x: Tensor, t: int) -> Tensor:  # (b, d, n) at a step, whatever the kind
        if x.ndim == 2:
            return x.expand(batch, *x.shape)
        x = x.unsqueeze(1) if x.ndim == 3 else x
        return x[..., t].repeat_interleave(d // x.shape[1], dim=1)

    state = torch.zeros(batch, d, 4, dtype=torch.float64)
    step = torch.nn.functional.softplus(inputs["delta"] + inputs["delta_bias"][:, None])
    outputs = []
    for t in range(length):
        dt, u = step[..., t, None], inputs["u"][..., t]
        state = torch.exp(dt * inputs["A"]) * state + dt * at(inputs["B"], t) * u[..., None]
        outputs.append((state * at(inputs["C"], t)).sum(-1) + inputs["D"] * u)
    wanted = torch.stack(outputs, dim=-1) * torch.nn.functional.silu(inputs["z"])
    assert_close({"y": y, "last": last}, {"y": wanted, "last": state}, 2e-6)


def test_the_sequence_form_of_nothing() -> None:
    inputs = {
        k: x[..., :0] if x.ndim > 2 else x
        for k, x in sequence_inputs("variable", "grouped").items()
    }
    y, last = selective_scan(**inputs, return_last_state=True)
    assert y.shape == (2, 12, 0)
    assert prod(last.shape) == 2 * 12 * 4
    assert not last.any()


@pytest.mark.parametrize("backend", FAST)
def test_a_growing_state_is_refused(backend: str) -> None:
    inputs = {name: x.float() for name, x in make_inputs(CASES["one pixel"]).items()}
    inputs["A"][2, 1, 3] = 0.5
    with pytest.raises(DataError, match=r"A reaches 0\.5.*must not be positive"):
        selective_scan_2d(**inputs, backend=backend)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("delta", (1, 5, 13, 3, 20)),
        ("A", (2, 19, 8)),
        ("B", (1, 5, 13, 2, 3, 8)),
        ("C", (1, 5, 12, 2, 8)),
        ("D", (20,)),
        ("z", (1, 13, 5, 20)),
        ("delta_bias", (2, 1)),
        ("u", (1, 65, 20)),
    ],
)
def test_shapes_that_do_not_fit_are_named(name: str, wrong: tuple[int, ...]) -> None:
    inputs = make_inputs(SMALL)
    inputs[name] = -torch.ones(wrong, dtype=torch.float64)
    with pytest.raises(DataError, match=rf"selective scan: {name} "):
        selective_scan_2d(**inputs, directions=SMALL[-1])


def test_unknown_and_unavailable_backends_are_named() -> None:
    inputs = make_inputs(CASES["one pixel"])
    with pytest.raises(UserError, match=r"numbaa.*numba"):
        selective_scan_2d(**inputs, backend="numbaa")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=r"numba: computes in float32.*use torch"):
        selective_scan_2d(**inputs, backend="numba")
    with pytest.raises(UserError, match="each once"):
        selective_scan_2d(**inputs, directions=("rows", "rows"))
    with pytest.raises(UserError, match="rowz"):
        selective_scan_2d(**inputs, directions=("rowz",))  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=r"delta is torch\.int64"):
        selective_scan_2d(**{**inputs, "delta": inputs["delta"].long()})


@pytest.mark.parametrize(("backend", "case"), sizes(CASES["one chunk"], TILE, BACKENDS))
def test_nan_is_not_hidden(backend: str, case: Case) -> None:
    for name in ("u", "delta", "A", "B", "z"):
        inputs = {n: x.float() for n, x in make_inputs(case).items()}
        inputs[name].view(-1)[0] = torch.nan
        y = selective_scan_2d(**inputs, directions=case[-1], backend=backend)
        assert y.isnan().any(), name
