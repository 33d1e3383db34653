"""The selective scan on the CPU: kernels of 16 channels a vector, compiled by numba on first use.

A task is one image and 16 channels of one group. It walks every direction chunk by chunk; within a
chunk one state index after the other, so that its decay rate and its state stay in registers over
the chunk's 64 steps and everything else stays in the first-level cache. Tasks run on as many
threads as torch has. No result depends on their number: sums over channels go through a fixed
number of partial buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..datasets.color import compiled
from .numba_vectors import (
    LANES,
    LN2,
    LOG2E,
    after,
    all_within,
    at_least,
    exp2_of_product,
    fused,
    inlined,
    kernel,
    lane_sums,
    load,
    magnitude,
    pointer,
    put,
    sigmoid,
    softplus,
    spread,
    store,
    take,
)
from .scan_reference import CHUNK, Grid

_PARTS = 4  # partial sums of the gradients of B and C an image
_ROOM = CHUNK * LANES
_ADDRESSES = (
    *("u", "delta", "A", "B", "C", "D", "z", "bias", "states", "y"),
    *("dy", "du", "ddelta", "dA", "dB", "dC", "dD", "dz", "dbias"),
)
_NUMBERS = (
    *("batch", "length", "channels", "directions", "order", "rows", "groups", "chunks"),
    *("softplus", "gated", "tiles", "parts", "room"),
)
_PROBLEM = np.dtype([(name, np.int64) for name in (*_ADDRESSES, *_NUMBERS)])


def forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    grid: Grid,
) -> tuple[Tensor, Tensor]:
    """The problem of ``scan_reference`` in float32: y and the states after every chunk."""
    y = torch.empty_like(u)
    k, d, n = A.shape
    states = u.new_empty(u.shape[0], k, grid.chunks, d, n)
    given = {"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z, "bias": bias}
    problem, keep = _problem({**given, "states": states, "y": y}, grid)
    tiles = int(problem["tiles"][0])
    _share(u.shape[0] * tiles, _forward_tasks, problem, keep)
    return y, states


def backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    states: Tensor,
    grid: Grid,
) -> tuple[Tensor | None, ...]:
    """Gradients of u, delta, A, B, C, D, z, bias (None where the input is None)."""
    given = {"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z, "bias": bias}
    batch, k = u.shape[0], len(grid.directions)
    found = {
        "du": torch.empty_like(u),
        "ddelta": torch.empty_like(delta),
        "dA": A.new_empty(batch, *A.shape),
        "dB": B.new_zeros(_PARTS, *B.shape),
        "dC": C.new_zeros(_PARTS, *C.shape),
        "dD": A.new_empty(batch, k, u.shape[2]),
        "dz": None if z is None else torch.empty_like(z),
        "dbias": A.new_empty(batch, k, u.shape[2]),
    }
    problem, keep = _problem({**given, "states": states, "dy": dy, **found}, grid)
    _share(batch * _PARTS, _backward_tasks, problem, keep)
    for name in ("dA", "dB", "dC", "dD", "dbias"):
        found[name] = found[name].sum(0)
    return tuple(None if x is None else found[f"d{name}"] for name, x in given.items())


def _problem(tensors: dict[str, Tensor | None], grid: Grid) -> tuple[np.ndarray, Any]:
    """The kernels' argument, and what must live as long as they run."""
    u, A, B = (tensors[name] for name in ("u", "A", "B"))
    assert u is not None
    assert A is not None
    assert B is not None
    k, d, n = A.shape
    zeros = A.new_zeros(k, d)
    present = {name: zeros if x is None else x for name, x in tensors.items()}
    problem = np.zeros(1, _PROBLEM)
    for name, x in present.items():
        problem[name] = x.data_ptr()
    groups = B.shape[3]
    tiles = _tiles(d, groups)
    rows = -(-n // 2) * 2
    numbers = {
        "batch": u.shape[0],
        "length": grid.length,
        "channels": d,
        "directions": k,
        "order": n,
        "rows": rows,
        "groups": groups,
        "chunks": grid.chunks,
        "softplus": grid.softplus,
        "gated": tensors["z"] is not None,
        "tiles": len(tiles),
        "parts": _PARTS,
        "room": (4 * rows + 16) * LANES + 12 * _ROOM + 4 * CHUNK * rows,
    }
    for name, value in numbers.items():
        problem[name] = value
    return problem, (present, _pixels(grid), tiles)


@cache
def _tiles(channels: int, groups: int) -> np.ndarray:
    """(first channel, channels, group) of every tile."""
    width = channels // groups
    return np.array(
        [
            (start, min(LANES, (group + 1) * width - start), group)
            for group in range(groups)
            for start in range(group * width, (group + 1) * width, LANES)
        ]
    )


@cache
def _pixels(grid: Grid) -> np.ndarray:
    """The pixel at every step, of the directions one after the other."""
    return torch.cat([grid.pixels(direction) for direction in grid.directions]).numpy()


def _share(tasks: int, run: Callable[..., None], problem: np.ndarray, keep: Any) -> None:
    """Run tasks 0 to ``tasks``, on torch's number of threads."""
    _, pixels, tiles = keep
    workers = min(torch.get_num_threads(), tasks)
    room = np.empty((workers, int(problem["room"][0])), np.float32)
    edges = [tasks * worker // workers for worker in range(workers + 1)]
    pieces = [(edges[i], edges[i + 1], room[i].ctypes.data) for i in range(workers)]
    if workers == 1:
        run(problem, pixels, tiles, *pieces[0])
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run, problem, pixels, tiles, *piece) for piece in pieces]:
            done.result()


@kernel
def _read_rows(target, source, start, lanes, order, rows, factor):
    """(lanes, order) in memory to a vector of lanes for every index, times a factor."""
    for j in range(rows):
        store(target, j * LANES, 0.0)
    for j in range(order):
        for i in range(lanes):
            target[j * LANES + i] = source[start + i * order + j] * factor


@kernel
def _write_rows(source, target, start, lanes, order):
    for i in range(lanes):
        for j in range(order):
            target[start + i * order + j] = source[j * LANES + i]


@kernel
def _copy_tokens(target, source, pixels, first, steps, stride, start, order, rows):
    """B or C of a chunk's steps, one after the other; rows past ``order`` are zero."""
    for t in range(steps):
        base = pixels[first + t] * stride + start
        for j in range(order):
            target[t * rows + j] = source[base + j]
        for j in range(order, rows):
            target[t * rows + j] = 0.0


@kernel
def _largest(source, rows):
    most = spread(0.0)
    for j in range(rows):
        most = at_least(magnitude(load(source, j * LANES)), most)
    return most


@inlined
def _sweep(a, h, dt, inflow, b, c, out, steps, rows, wild):
    """A chunk forward: h is the state before, then after it; out gathers <C, h>."""
    for j in range(0, rows, 2):
        rate0, rate1 = load(a, j * LANES), load(a, (j + 1) * LANES)
        state0, state1 = load(h, j * LANES), load(h, (j + 1) * LANES)
        for t in range(steps):
            step, more = load(dt, t * LANES), load(inflow, t * LANES)
            at = t * rows + j
            state0 = fused(exp2_of_product(rate0, step, wild), state0, more * b[at])
            state1 = fused(exp2_of_product(rate1, step, wild), state1, more * b[at + 1])
            found = fused(state0, c[at], load(out, t * LANES))
            store(out, t * LANES, fused(state1, c[at + 1], found))
        store(h, j * LANES, state0)
        store(h, (j + 1) * LANES, state1)


@kernel
def _forward_tile(p, pixels, tiles, task, room):
    L, d, K, n, rows = p.length, p.channels, p.directions, p.order, p.rows
    batch, tile = task // p.tiles, task % p.tiles
    start, lanes, group = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
    u, z, y, delta, states = (
        pointer(p.u),
        pointer(p.z),
        pointer(p.y),
        pointer(p.delta),
        pointer(p.states),
    )
    a, h = room, after(room, rows * LANES)
    dt = after(h, rows * LANES)
    inflow, out, b = after(dt, _ROOM), after(dt, 2 * _ROOM), after(dt, 3 * _ROOM)
    c = after(b, CHUNK * rows)
    image = batch * L * d + start
    for k in range(K):
        channel = k * d + start
        _read_rows(a, pointer(p.A), channel * n, lanes, n, rows, LOG2E)
        fastest = _largest(a, rows)
        bias, skip = take(pointer(p.bias), channel, lanes), take(pointer(p.D), channel, lanes)
        for j in range(rows):
            store(h, j * LANES, 0.0)
        token = ((batch * L * K + k) * p.groups + group) * n
        for chunk in range(p.chunks):
            first, steps = k * L + chunk * CHUNK, min(CHUNK, L - chunk * CHUNK)
            _copy_tokens(b, pointer(p.B), pixels, first, steps, K * p.groups * n, token, n, rows)
            _copy_tokens(c, pointer(p.C), pixels, first, steps, K * p.groups * n, token, n, rows)
            longest = spread(0.0)
            for t in range(steps):
                pixel = pixels[first + t]
                x = take(delta, ((batch * L + pixel) * K + k) * d + start, lanes) + bias
                if p.softplus != 0:
                    x = softplus(x)
                v = take(u, image + pixel * d, lanes)
                longest = at_least(magnitude(x), longest)
                store(dt, t * LANES, x)
                store(inflow, t * LANES, x * v)
                store(out, t * LANES, skip * v)
            if all_within(longest * fastest, 126.0):
                _sweep(a, h, dt, inflow, b, c, out, steps, rows, False)
            else:
                _sweep(a, h, dt, inflow, b, c, out, steps, rows, True)
            for t in range(steps):
                at = image + pixels[first + t] * d
                v = load(out, t * LANES)
                if k > 0:
                    v = v + take(y, at, lanes)
                if p.gated != 0 and k == K - 1:
                    gate = take(z, at, lanes)
                    v = v * gate * sigmoid(gate)
                put(y, at, lanes, v)
            _write_rows(h, states, (((batch * K + k) * p.chunks + chunk) * d + start) * n, lanes, n)


@compiled
def _forward_tasks(problem, pixels, tiles, first, last, room):
    for task in range(first, last):
        _forward_tile(problem[0], pixels, tiles, task, pointer(room))


@inlined
def _sweep_back(a, h, g, da, buffers, steps, order, rows, wild):
    """A chunk backward; h is the state before it, g the adjoint after, then before it."""
    dt, inflow, b, c, dy, out, dinflow, ddt, db, dc, space = buffers
    decays, kept, products = space, after(space, _ROOM), after(space, 2 * _ROOM)
    for j in range(order):
        rate, state = load(a, j * LANES), load(h, j * LANES)
        for t in range(steps):
            decay = exp2_of_product(rate, load(dt, t * LANES), wild)
            held = decay * state
            state = fused(load(inflow, t * LANES), b[t * rows + j], held)
            store(decays, t * LANES, decay)
            store(kept, t * LANES, held)
            store(out, t * LANES, fused(state, c[t * rows + j], load(out, t * LANES)))
            store(products, t * LANES, state * load(dy, t * LANES))
        for t in range(0, steps, LANES):
            sums = lane_sums(products, t * LANES)
            store(dc, j * CHUNK + t, load(dc, j * CHUNK + t) + sums)
        adjoint, total = load(g, j * LANES), load(da, j * LANES)
        for back in range(steps):
            t = steps - 1 - back
            adjoint = fused(load(dy, t * LANES), c[t * rows + j], adjoint)
            through = adjoint * load(kept, t * LANES)
            total = fused(through, load(dt, t * LANES), total)
            store(ddt, t * LANES, fused(through, rate, load(ddt, t * LANES)))
            moved = fused(adjoint, b[t * rows + j], load(dinflow, t * LANES))
            store(dinflow, t * LANES, moved)
            store(products, t * LANES, adjoint * load(inflow, t * LANES))
            adjoint = adjoint * load(decays, t * LANES)
        store(g, j * LANES, adjoint)
        store(da, j * LANES, total)
        for t in range(0, steps, LANES):
            sums = lane_sums(products, t * LANES)
            store(db, j * CHUNK + t, load(db, j * CHUNK + t) + sums)


@kernel
def _add_tokens(target, source, pixels, first, steps, stride, start, order):
    for t in range(steps):
        base = pixels[first + t] * stride + start
        for j in range(order):
            target[base + j] += source[j * CHUNK + t]


@kernel
def _backward_tile(p, pixels, tiles, batch, part, tile, room):
    L, d, K, n, rows = p.length, p.channels, p.directions, p.order, p.rows
    start, lanes, group = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
    u, z, delta, states = pointer(p.u), pointer(p.z), pointer(p.delta), pointer(p.states)
    du, dz, ddelta, upstream = pointer(p.du), pointer(p.dz), pointer(p.ddelta), pointer(p.dy)
    a, h = room, after(room, rows * LANES)
    g, da = after(h, rows * LANES), after(h, 2 * rows * LANES)
    dt = after(da, rows * LANES)
    inflow, dy, slope = after(dt, _ROOM), after(dt, 2 * _ROOM), after(dt, 3 * _ROOM)
    out, dinflow, ddt = after(dt, 4 * _ROOM), after(dt, 5 * _ROOM), after(dt, 6 * _ROOM)
    space, b = after(dt, 7 * _ROOM), after(dt, 10 * _ROOM)
    c, db, dc = after(b, CHUNK * rows), after(b, 2 * CHUNK * rows), after(b, 3 * CHUNK * rows)
    image = batch * L * d + start
    for k in range(K):
        channel = k * d + start
        _read_rows(a, pointer(p.A), channel * n, lanes, n, rows, LOG2E)
        fastest = _largest(a, rows)
        bias, skip = take(pointer(p.bias), channel, lanes), take(pointer(p.D), channel, lanes)
        d_skip, d_bias = spread(0.0), spread(0.0)
        for j in range(rows):
            store(g, j * LANES, 0.0)
            store(da, j * LANES, 0.0)
        token = ((batch * L * K + k) * p.groups + group) * n
        own = ((part * p.batch * L * K + batch * L * K + k) * p.groups + group) * n
        for back in range(p.chunks):
            chunk = p.chunks - 1 - back
            first, steps = k * L + chunk * CHUNK, min(CHUNK, L - chunk * CHUNK)
            stride = K * p.groups * n
            _copy_tokens(b, pointer(p.B), pixels, first, steps, stride, token, n, rows)
            _copy_tokens(c, pointer(p.C), pixels, first, steps, stride, token, n, rows)
            longest = spread(0.0)
            for t in range(steps):
                pixel = pixels[first + t]
                x = take(delta, ((batch * L + pixel) * K + k) * d + start, lanes) + bias
                if p.softplus != 0:
                    store(slope, t * LANES, sigmoid(x))
                    x = softplus(x)
                else:
                    store(slope, t * LANES, 1.0)
                v, w = take(u, image + pixel * d, lanes), take(upstream, image + pixel * d, lanes)
                if p.gated != 0:
                    gate = take(z, image + pixel * d, lanes)
                    w = w * gate * sigmoid(gate)
                longest = at_least(magnitude(x), longest)
                d_skip = fused(w, v, d_skip)
                store(dt, t * LANES, x)
                store(inflow, t * LANES, x * v)
                store(dy, t * LANES, w)
                store(out, t * LANES, skip * v)
                store(dinflow, t * LANES, 0.0)
                store(ddt, t * LANES, 0.0)
            for j in range(rows):
                store(h, j * LANES, 0.0)
                for t in range(0, CHUNK, LANES):
                    store(db, j * CHUNK + t, 0.0)
                    store(dc, j * CHUNK + t, 0.0)
            if chunk > 0:
                before = (((batch * K + k) * p.chunks + chunk - 1) * d + start) * n
                _read_rows(h, states, before, lanes, n, rows, 1.0)
            calm = all_within(longest * fastest, 126.0)
            buffers = (dt, inflow, b, c, dy, out, dinflow, ddt, db, dc, space)
            if calm:
                _sweep_back(a, h, g, da, buffers, steps, n, rows, False)
            else:
                _sweep_back(a, h, g, da, buffers, steps, n, rows, True)
            for t in range(steps):
                pixel = pixels[first + t]
                at = image + pixel * d
                moved, v = load(dinflow, t * LANES), take(u, at, lanes)
                change = fused(moved, v, load(ddt, t * LANES) * LN2) * load(slope, t * LANES)
                d_bias = d_bias + change
                put(ddelta, ((batch * L + pixel) * K + k) * d + start, lanes, change)
                change = fused(moved, load(dt, t * LANES), load(dy, t * LANES) * skip)
                ungated = load(out, t * LANES)
                if k > 0:
                    change = change + take(du, at, lanes)
                put(du, at, lanes, change)
                if p.gated != 0:
                    if k > 0:
                        ungated = ungated + take(dz, at, lanes)
                    if k == K - 1:
                        gate = take(z, at, lanes)
                        open_ = sigmoid(gate)
                        ungated = ungated * take(upstream, at, lanes) * open_
                        ungated = ungated * fused(gate, 1.0 - open_, 1.0)
                    put(dz, at, lanes, ungated)
            _add_tokens(pointer(p.dB), db, pixels, first, steps, stride, own, n)
            _add_tokens(pointer(p.dC), dc, pixels, first, steps, stride, own, n)
        _write_rows(da, pointer(p.dA), ((batch * K + k) * d + start) * n, lanes, n)
        put(pointer(p.dD), (batch * K + k) * d + start, lanes, d_skip)
        put(pointer(p.dbias), (batch * K + k) * d + start, lanes, d_bias)


@compiled
def _backward_tasks(problem, pixels, tiles, first, last, room):
    p = problem[0]
    for task in range(first, last):
        batch, part = task // p.parts, task % p.parts
        for tile in range(part, p.tiles, p.parts):
            _backward_tile(p, pixels, tiles, batch, part, tile, pointer(room))
