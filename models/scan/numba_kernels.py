"""Numba kernels of the selective scan; ``numba_backend`` shares their tasks out.

A task is one image and a tile, up to 16 channels of one group: a channel to a lane. It walks every
direction chunk by chunk; within a chunk one state after the other, so that its decay rates and
values stay in registers over the chunk's 64 steps and everything else stays in the first-level
cache.

What the kernels share: ``p``, the record ``numba_backend._PROBLEM`` of addresses and sizes;
``place``, what a call works on (image, first channel, channels, group, direction); ``room``, a
thread's own memory.
"""

# numba hands an intrinsic its typing context
# pyright: reportCallIssue=false

from __future__ import annotations

from ...datasets.base.compiled import compiled
from .numba_simd import (
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
from .reference import CHUNK

_STEPS = CHUNK * LANES  # floats of a vector for every step of a chunk


def room(order: int) -> int:
    """Floats that a thread needs for ``order`` states a channel."""
    return 4 * order * LANES + 10 * _STEPS + 4 * order * CHUNK


@kernel
def _read_states(target, source, start, lanes, order, factor):
    """(lanes, order) in memory to a vector of lanes for every state, times a factor."""
    for j in range(order):
        store(target, j * LANES, 0.0)
        for i in range(lanes):
            target[j * LANES + i] = source[start + i * order + j] * factor


@kernel
def _write_states(source, target, start, lanes, order):
    for i in range(lanes):
        for j in range(order):
            target[start + i * order + j] = source[j * LANES + i]


@kernel
def _clear(target, count):
    for j in range(count):
        target[j] = 0.0


@kernel
def _pixel(p, pixels, place, chunk, t):
    return pixels[place[4] * p.length + chunk * CHUNK + t]


@kernel
def _token(p, place, pixel):
    """Where the gradients of B and C of a pixel start."""
    image, _, _, group, k = place
    return (((image * p.length + pixel) * p.directions + k) * p.groups + group) * p.order


@kernel
def _values(p, place, pixel):
    """Where the tile's u, z, y of a pixel start."""
    return (place[0] * p.length + pixel) * p.channels + place[1]


@kernel
def _deltas(p, place, pixel):
    """Where the tile's delta, and its gradient, of a pixel start."""
    row = place[0] * p.delta_image + pixel * p.delta_pixel + place[4] * p.delta_direction
    return row + place[1]


@kernel
def _saved(p, place, chunk):
    """Where the tile's states after a chunk start."""
    row = (place[0] * p.directions + place[4]) * p.chunks + chunk
    return (row * p.channels + place[1]) * p.order


@kernel
def _copy_tokens(target, source, start, stride, p, pixels, place, chunk, steps):
    """B or C of a chunk's steps, one after the other."""
    whole = p.order - p.order % LANES
    for t in range(steps):
        base = start + stride * _pixel(p, pixels, place, chunk, t)
        for j in range(0, whole, LANES):
            store(target, t * p.order + j, load(source, base + j))
        for j in range(whole, p.order):
            target[t * p.order + j] = source[base + j]


@kernel
def _largest(source, order):
    most = spread(0.0)
    for j in range(order):
        most = at_least(magnitude(load(source, j * LANES)), most)
    return most


@inlined
def _sweep(a, h, chunk, steps, order, wild):
    """A chunk forward: h is the state before, then after it; out gathers <C, h>."""
    dt, inflow, out, b, c = chunk
    # one state at a time: with more, the constants of the exponential leave the registers of AVX2
    for j in range(order):
        rate, state = load(a, j * LANES), load(h, j * LANES)
        for t in range(steps):
            more = load(inflow, t * LANES) * b[t * order + j]
            state = fused(exp2_of_product(rate, load(dt, t * LANES), wild), state, more)
            store(out, t * LANES, fused(state, c[t * order + j], load(out, t * LANES)))
        store(h, j * LANES, state)


@kernel
def _fill(p, pixels, place, chunk, steps, buffers):
    """Steps, inflow dt u, skip D u and B, C of a chunk; the longest step in each lane."""
    dt, inflow, out, b, c = buffers
    image, start, lanes, group, k = place
    first = image * p.b_image + k * p.b_direction + group * p.b_group
    _copy_tokens(b, pointer(p.B), first, p.b_pixel, p, pixels, place, chunk, steps)
    first = image * p.c_image + k * p.c_direction + group * p.c_group
    _copy_tokens(c, pointer(p.C), first, p.c_pixel, p, pixels, place, chunk, steps)
    channel = k * p.channels + start
    bias, skip = take(pointer(p.bias), channel, lanes), take(pointer(p.D), channel, lanes)
    longest = spread(0.0)
    for t in range(steps):
        pixel = _pixel(p, pixels, place, chunk, t)
        step = take(pointer(p.delta), _deltas(p, place, pixel), lanes) + bias
        if p.softplus != 0:
            step = softplus(step)
        u = take(pointer(p.u), _values(p, place, pixel), lanes)
        longest = at_least(magnitude(step), longest)
        store(dt, t * LANES, step)
        store(inflow, t * LANES, step * u)
        store(out, t * LANES, skip * u)
    return longest


@kernel
def _add_outputs(p, pixels, place, chunk, steps, out):
    """To y, with the gate at the last direction."""
    lanes, k = place[2], place[4]
    for t in range(steps):
        at = _values(p, place, _pixel(p, pixels, place, chunk, t))
        y = load(out, t * LANES)
        if k > 0:
            y = y + take(pointer(p.y), at, lanes)
        if p.gated != 0 and k == p.directions - 1:
            gate = take(pointer(p.z), at, lanes)
            y = y * gate * sigmoid(gate)
        put(pointer(p.y), at, lanes, y)


@kernel
def _forward_direction(p, pixels, place, room):
    order, lanes = p.order, place[2]
    a, h = room, after(room, order * LANES)
    dt = after(h, order * LANES)
    b = after(dt, 3 * _STEPS)
    buffers = (dt, after(dt, _STEPS), after(dt, 2 * _STEPS), b, after(b, CHUNK * order))
    rates = (place[4] * p.channels + place[1]) * order
    _read_states(a, pointer(p.A), rates, lanes, order, LOG2E)
    fastest = _largest(a, order)
    _clear(h, order * LANES)
    for chunk in range(p.chunks):
        steps = min(CHUNK, p.length - chunk * CHUNK)
        longest = _fill(p, pixels, place, chunk, steps, buffers)
        if all_within(longest * fastest, 126.0):
            _sweep(a, h, buffers, steps, order, False)
        else:
            _sweep(a, h, buffers, steps, order, True)
        _add_outputs(p, pixels, place, chunk, steps, buffers[2])
        _write_states(h, pointer(p.states), _saved(p, place, chunk), lanes, order)


@compiled
def forward_tasks(problem, pixels, tiles, first, last, room):
    """Tasks ``first`` to ``last``: a tile of an image each."""
    p = problem[0]
    for task in range(first, last):
        start, lanes, group = tiles[task % p.tiles]
        for k in range(p.directions):
            place = (task // p.tiles, start, lanes, group, k)
            _forward_direction(p, pixels, place, pointer(room))


@inlined
def _sweep_back(a, h, g, da, chunk, back, steps, order, wild):
    """A chunk backward; h is the state before it, g the adjoint after, then before it."""
    dt, inflow, out, b, c = chunk
    dy, dinflow, ddt, _, db, dc, space = back
    decays, kept, products = space, after(space, _STEPS), after(space, 2 * _STEPS)
    for j in range(order):
        rate, state = load(a, j * LANES), load(h, j * LANES)
        for t in range(steps):
            decay = exp2_of_product(rate, load(dt, t * LANES), wild)
            held = decay * state
            state = fused(load(inflow, t * LANES), b[t * order + j], held)
            store(decays, t * LANES, decay)
            store(kept, t * LANES, held)
            store(out, t * LANES, fused(state, c[t * order + j], load(out, t * LANES)))
            store(products, t * LANES, state * load(dy, t * LANES))
        for t in range(0, steps, LANES):
            sums = lane_sums(products, t * LANES)
            store(dc, j * CHUNK + t, load(dc, j * CHUNK + t) + sums)
        adjoint, total = load(g, j * LANES), load(da, j * LANES)
        for i in range(steps):
            t = steps - 1 - i
            adjoint = fused(load(dy, t * LANES), c[t * order + j], adjoint)
            through = adjoint * load(kept, t * LANES)
            total = fused(through, load(dt, t * LANES), total)
            store(ddt, t * LANES, fused(through, rate, load(ddt, t * LANES)))
            moved = fused(adjoint, b[t * order + j], load(dinflow, t * LANES))
            store(dinflow, t * LANES, moved)
            store(products, t * LANES, adjoint * load(inflow, t * LANES))
            adjoint = adjoint * load(decays, t * LANES)
        store(g, j * LANES, adjoint)
        store(da, j * LANES, total)
        for t in range(0, steps, LANES):
            sums = lane_sums(products, t * LANES)
            store(db, j * CHUNK + t, load(db, j * CHUNK + t) + sums)


@kernel
def _fill_back(p, pixels, place, chunk, steps, back):
    """What only the backward pass needs of a chunk; in each lane, sum of dy u (D's gradient)."""
    dy, dinflow, ddt, slope, db, dc, _ = back
    start, lanes, k = place[1], place[2], place[4]
    bias = take(pointer(p.bias), k * p.channels + start, lanes)
    total = spread(0.0)
    for t in range(steps):
        pixel = _pixel(p, pixels, place, chunk, t)
        at = _values(p, place, pixel)
        upstream = take(pointer(p.dy), at, lanes)
        if p.gated != 0:
            gate = take(pointer(p.z), at, lanes)
            upstream = upstream * gate * sigmoid(gate)
        store(dy, t * LANES, upstream)
        total = fused(upstream, take(pointer(p.u), at, lanes), total)
        if p.softplus != 0:
            raw = take(pointer(p.delta), _deltas(p, place, pixel), lanes) + bias
            store(slope, t * LANES, sigmoid(raw))
        else:
            store(slope, t * LANES, 1.0)
    _clear(dinflow, steps * LANES)
    _clear(ddt, steps * LANES)
    _clear(db, CHUNK * p.order)
    _clear(dc, CHUNK * p.order)
    return total


@kernel
def _write_back(p, pixels, place, chunk, steps, buffers, back):
    """The chunk's du, ddelta and ungated y; in each lane, sum of ddelta (the bias's gradient)."""
    dt, _, out, _, _ = buffers
    dy, dinflow, ddt, slope, _, _, _ = back
    lanes, k = place[2], place[4]
    skip = take(pointer(p.D), k * p.channels + place[1], lanes)
    total = spread(0.0)
    for t in range(steps):
        pixel = _pixel(p, pixels, place, chunk, t)
        at = _values(p, place, pixel)
        moved, u = load(dinflow, t * LANES), take(pointer(p.u), at, lanes)
        change = fused(moved, u, load(ddt, t * LANES) * LN2) * load(slope, t * LANES)
        total = total + change
        put(pointer(p.ddelta), _deltas(p, place, pixel), lanes, change)
        change = fused(moved, load(dt, t * LANES), load(dy, t * LANES) * skip)
        if k > 0:
            change = change + take(pointer(p.du), at, lanes)
        put(pointer(p.du), at, lanes, change)
        if p.gated != 0:
            y = load(out, t * LANES)
            if k > 0:
                y = y + take(pointer(p.dz), at, lanes)
            if k == p.directions - 1:
                gate = take(pointer(p.z), at, lanes)
                open_ = sigmoid(gate)
                y = y * take(pointer(p.dy), at, lanes) * open_ * fused(gate, 1.0 - open_, 1.0)
            put(pointer(p.dz), at, lanes, y)
    return total


@kernel
def _add_tokens(p, pixels, place, chunk, steps, part, target, source):
    """The chunk's gradient of B or C, to a part's own sums."""
    first = part * p.batch * p.length * p.directions * p.groups * p.order
    for t in range(steps):
        base = first + _token(p, place, _pixel(p, pixels, place, chunk, t))
        for j in range(p.order):
            target[base + j] += source[j * CHUNK + t]


@kernel
def _backward_direction(p, pixels, place, part, room):
    order, lanes = p.order, place[2]
    a, h = room, after(room, order * LANES)
    g, da = after(h, order * LANES), after(h, 2 * order * LANES)
    dt = after(da, order * LANES)
    dy, space = after(dt, 3 * _STEPS), after(dt, 7 * _STEPS)
    b, many = after(dt, 10 * _STEPS), CHUNK * order
    db = after(b, 2 * many)
    buffers = (dt, after(dt, _STEPS), after(dt, 2 * _STEPS), b, after(b, many))
    dinflow, ddt, slope = after(dy, _STEPS), after(dy, 2 * _STEPS), after(dy, 3 * _STEPS)
    back = (dy, dinflow, ddt, slope, db, after(db, many), space)
    own = place[4] * p.channels + place[1]
    _read_states(a, pointer(p.A), own * order, lanes, order, LOG2E)
    fastest = _largest(a, order)
    d_skip, d_bias = spread(0.0), spread(0.0)
    _clear(g, order * LANES)
    _clear(da, order * LANES)
    for i in range(p.chunks):
        chunk = p.chunks - 1 - i
        steps = min(CHUNK, p.length - chunk * CHUNK)
        longest = _fill(p, pixels, place, chunk, steps, buffers)
        d_skip = d_skip + _fill_back(p, pixels, place, chunk, steps, back)
        if chunk > 0:
            before = _saved(p, place, chunk - 1)
            _read_states(h, pointer(p.states), before, lanes, order, 1.0)
        else:
            _clear(h, order * LANES)
        if all_within(longest * fastest, 126.0):
            _sweep_back(a, h, g, da, buffers, back, steps, order, False)
        else:
            _sweep_back(a, h, g, da, buffers, back, steps, order, True)
        d_bias = d_bias + _write_back(p, pixels, place, chunk, steps, buffers, back)
        _add_tokens(p, pixels, place, chunk, steps, part, pointer(p.dB), db)
        _add_tokens(p, pixels, place, chunk, steps, part, pointer(p.dC), after(db, many))
    own = place[0] * p.directions * p.channels + own
    _write_states(da, pointer(p.dA), own * order, lanes, order)
    put(pointer(p.dD), own, lanes, d_skip)
    put(pointer(p.dbias), own, lanes, d_bias)


@compiled
def backward_tasks(problem, pixels, tiles, first, last, room):
    """Tasks ``first`` to ``last``: every ``parts``-th tile of an image each."""
    p = problem[0]
    for task in range(first, last):
        for tile in range(task % p.parts, p.tiles, p.parts):
            start, lanes, group = tiles[tile]
            for k in range(p.directions):
                place = (task // p.parts, start, lanes, group, k)
                _backward_direction(p, pixels, place, task % p.parts, pointer(room))
