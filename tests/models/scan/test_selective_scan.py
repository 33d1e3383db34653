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
from scans import CASES, CPU, TOLERANCE, Case, assert_close, make_inputs, run
from torch import Tensor

BACKENDS = [name for name, reason in scan.available("cpu").items() if not reason]
FAST = [name for name in BACKENDS if name != "reference"]
COMPILED = [name for name in FAST if name != "mamba_ssm"]
ON_CUDA = ("triton", "mamba_ssm", "torch")
OPTIONAL = ("D", "z", "delta_bias")

Size = tuple[int, int, int]

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


def everywhere(large: Any, tile: Any, names: Sequence[str] = FAST, cuda: Sequence[str] = ON_CUDA):
    """A test by (device, backend, case).

    ``large`` in each backend, on CUDA too, and ``tile`` in Triton's interpreter by default.
    """
    slow = {"triton": [pytest.mark.slow]}
    params = [pytest.param("cpu", name, large, marks=slow.get(name, []), id=name) for name in names]
    params += [pytest.param("cpu", "triton", tile, id="triton-tile")] * ("triton" in names)
    return by_device([*params, *(on_cuda(name, large) for name in cuda)])


def by_device(params: Sequence[Any]):
    return pytest.mark.parametrize(("device", "backend", "case"), params, indirect=["device"])


def on_cuda(backend: str, case: Any, name: str = "") -> Any:
    """A case of ``by_device``; where there is a GPU, skipped with the backend's reason."""
    reason = scan.available("cuda")[backend] if torch.cuda.is_available() else ""
    marks = [pytest.mark.gpu, pytest.mark.skipif(bool(reason), reason=f"{backend}: {reason}")]
    return pytest.param(
        "cuda", backend, case, marks=marks, id=f"{name}{'-' * bool(name)}cuda-{backend}"
    )


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


@by_device(
    [
        pytest.param(
            "cpu",
            backend,
            case,
            marks=[pytest.mark.slow] * (backend == "triton" and name in CASES),
            id=f"{name}-{backend}",
        )
        for (name, case), backend in product((CASES | TILES).items(), FAST)
    ]
    + [
        on_cuda(backend, case, name)
        for (name, case), backend in product((CASES | TILES).items(), ON_CUDA)
    ]
)
def test_values_and_gradients(device: torch.device, backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    wanted = run(inputs, torch.float64, directions=case[-1], backend="reference")
    found = run(inputs, torch.float32, device, directions=case[-1], backend=backend)
    assert_close(found, wanted, TOLERANCE[device.type])


@pytest.mark.gpu
def test_the_largest_shape_of_colormamba_on_cuda(cuda: torch.device) -> None:
    """130 x 130 pixels, 128 channels: Triton against the portable backend in float64."""
    case: Case = (1, 130, 130, 128, 16, 1, DIRECTIONS)
    inputs, options = make_inputs(case, steps=0.3), {"directions": DIRECTIONS}
    inputs["delta_bias"] = inputs["delta_bias"] - 4
    wanted = run(inputs, torch.float64, cuda, backend="torch", **options)
    assert_close(run(inputs, torch.float32, cuda, backend="triton", **options), wanted, 1e-4)


@everywhere(SMALL, TILE)
@pytest.mark.parametrize("without", [("D",), ("z",), ("delta_bias",), OPTIONAL])
def test_optional_inputs(
    device: torch.device, backend: str, case: Case, without: tuple[str, ...]
) -> None:
    inputs = make_inputs(case, without=without)
    wanted = run(inputs, torch.float64, directions=case[-1], backend="reference")
    found = run(inputs, torch.float32, device, directions=case[-1], backend=backend)
    assert_close(found, wanted, TOLERANCE[device.type])


@everywhere(CASES["groups"], TWO_GROUPS)
def test_steps_that_are_given_as_they_are(device: torch.device, backend: str, case: Case) -> None:
    inputs = make_inputs(case)
    inputs["delta"] = inputs["delta"].abs()
    inputs["delta_bias"] = inputs["delta_bias"].abs()
    options = {"directions": ("rows_reversed",), "delta_softplus": False}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    found = run(inputs, torch.float32, device, backend=backend, **options)
    assert_close(found, wanted, TOLERANCE[device.type])


@everywhere((1, 4, 33, 16, 16, 1, SMALL[-1]), TILE)
def test_large_steps_neither_overflow_nor_lose_digits(
    device: torch.device, backend: str, case: Case
) -> None:
    """exp(-cumsum) forms give NaN here."""
    inputs = make_inputs(case, steps=4.0)
    inputs["delta"][:, ::2] = 8.0
    inputs["delta"][:, 1] = -40.0  # softplus: almost no step
    options = {"directions": case[-1]}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    assert all(x.isfinite().all() for x in wanted.values())
    found = run(inputs, torch.float32, device, backend=backend, **options)
    assert_close(found, wanted, 5 * TOLERANCE[device.type])


@everywhere(CASES["one chunk"], TILE)
def test_bfloat16_costs_only_its_own_rounding(
    device: torch.device, backend: str, case: Case
) -> None:
    inputs = make_inputs(case)
    inputs = {name: x.bfloat16() for name, x in inputs.items()}
    options = {"directions": case[-1]}
    wanted = run(inputs, torch.float64, backend="reference", **options)
    found = run(inputs, torch.bfloat16, device, backend=backend, **options)
    assert all(x.dtype == torch.bfloat16 for x in found.values())
    assert_close(found, wanted, 2**-7)  # the upstream gradient is rounded, too


@everywhere(SMALL, TILE)
def test_mixed_types_as_under_autocast(device: torch.device, backend: str, case: Case) -> None:
    inputs = {name: x.float() for name, x in make_inputs(case).items()}
    inputs["delta"] = inputs["delta"].bfloat16()
    inputs["B"] = inputs["B"].bfloat16()
    there = {name: x.to(device) for name, x in inputs.items()}
    with torch.autocast(device.type, torch.bfloat16):
        y = selective_scan_2d(**there, directions=case[-1], backend=backend)
    assert y.dtype == torch.float32
    exact = {name: x.double() for name, x in inputs.items()}
    wanted = selective_scan_2d(**exact, directions=case[-1], backend="reference")
    assert_close({"y": y}, {"y": wanted}, TOLERANCE[device.type])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_nothing_gives_nothing(backend: str, shape: tuple[int, int, int]) -> None:
    inputs = make_inputs((*shape, 4, 2, 1, DIRECTIONS))
    found = run(inputs, torch.float32, backend=backend)
    assert found["y"].shape == (*shape, 4)
    assert all(not g.any() for g in found.values())


@everywhere(SMALL, TILE)
def test_strided_inputs(device: torch.device, backend: str, case: Case) -> None:
    """As a network makes them: parts of one product, or with the directions outermost."""
    inputs = {name: x.to(device, torch.float32) for name, x in make_inputs(case).items()}
    options = {"directions": case[-1], "backend": backend}

    def results(given: dict[str, Tensor]) -> dict[str, Tensor]:
        leaves = {name: x.detach().requires_grad_() for name, x in given.items()}
        y = selective_scan_2d(**leaves, **options)
        found = torch.autograd.grad(y.square().sum(), list(leaves.values()))
        return {"y": y.detach(), **dict(zip(leaves, found, strict=True))}

    wanted = {name: x.cpu() for name, x in results(inputs).items()}
    parts = {k: torch.cat([x, x + 1], dim=-1)[..., : x.shape[-1]] for k, x in inputs.items()}
    assert_close(results(parts), wanted, 1e-6)
    apart = {k: torch.stack([x, x + 1], dim=-1)[..., 0] for k, x in inputs.items()}
    assert_close(results(apart), wanted, 1e-6)
    outermost = {**inputs, "delta": inputs["delta"].movedim(3, 0).contiguous().movedim(0, 3)}
    assert_close(results(outermost), wanted, 1e-6)


@everywhere(SMALL, TILE, cuda=("triton", "torch"))
def test_deterministic_mode(device: torch.device, backend: str, case: Case) -> None:
    """mamba-ssm's kernel adds the gradients of B and C up in any order."""
    inputs, options = make_inputs(case), {"directions": case[-1], "backend": backend}
    torch.use_deterministic_algorithms(True)
    try:
        runs = [run(inputs, torch.float32, device, **options) for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_gradcheck_of_the_portable_backend() -> None:
    inputs = make_inputs((1, 3, 23, 2, 2, 1, ("rows", "columns_reversed")))
    leaves = [x.requires_grad_() for x in inputs.values()]

    def scanned(*xs: Tensor) -> Tensor:
        return selective_scan_2d(*xs, directions=("rows", "columns_reversed"), backend="torch")

    assert torch.autograd.gradcheck(scanned, leaves, fast_mode=True)


@everywhere(
    (2, 1, 70, 4, 2, 1, ("rows",)), (1, 1, 5, 2, 2, 1, ("rows",)), COMPILED, ("triton", "torch")
)
def test_the_custom_operators_keep_torchs_rules(
    device: torch.device, backend: str, case: Case
) -> None:
    inputs = {name: x.to(device, torch.float32) for name, x in make_inputs(case).items()}
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


@everywhere(SMALL, TILE, COMPILED, ("triton", "torch"))
def test_compile_keeps_one_graph(device: torch.device, backend: str, case: Case) -> None:
    inputs = {name: x.to(device, torch.float32) for name, x in make_inputs(case).items()}
    inputs = {name: x.requires_grad_() for name, x in inputs.items()}

    def network(**given: Tensor) -> Tensor:
        return selective_scan_2d(**given, directions=case[-1], backend=backend).square()

    compiler = "inductor" if device.type == "cuda" else "aot_eager"  # which takes a minute
    compiled = torch.compile(network, fullgraph=True, backend=compiler)
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


@everywhere((2, 12, 70), (1, 3, 5), [name for name in BACKENDS if name != "torch"])
def test_the_sequence_form_in_each_backend(device: torch.device, backend: str, case: Size) -> None:
    assert_means_what_mamba_ssm_does(backend, "grouped", "variable", case, device)


def assert_means_what_mamba_ssm_does(
    backend: str, b_kind: str, c_kind: str, size: Size, device: torch.device = CPU
) -> None:
    batch, d, length = size
    inputs = sequence_inputs(b_kind, c_kind, size)
    single = {name: x.to(device, torch.float32) for name, x in inputs.items()}
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
    assert_close({"y": y, "last": last}, {"y": wanted, "last": state}, TOLERANCE[device.type])


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


@everywhere(CASES["one chunk"], TILE, BACKENDS)
def test_nan_is_not_hidden(device: torch.device, backend: str, case: Case) -> None:
    for name in ("u", "delta", "A", "B", "z"):
        inputs = {n: x.to(device, torch.float32) for n, x in make_inputs(case).items()}
        inputs[name].view(-1)[0] = torch.nan
        y = selective_scan_2d(**inputs, directions=case[-1], backend=backend)
        assert y.isnan().any(), name
