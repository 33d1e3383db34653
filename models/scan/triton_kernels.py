"""Triton kernels of the selective scan; ``triton_backend`` starts them and says how they compose.

A state is a tile (STATES, CHANNELS), and so it lies in memory: with channels across the threads,
sums over the states of a channel stay within a thread.

What the kernels share: ``inputs``, the scan's u, delta, A as (directions, states, channels), B, C,
D and bias; ``size``, the directions packed two bits each, height, width, channels, states a
channel, groups, and blocks of channels a group; ``place``, what this program works on.
"""

# triton types its ranges as calls that do not return
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(size, CHANNELS: tl.constexpr):
    """Sequence, direction's place, chunk, block, the block's channels and which of them exist."""
    _, _, _, channels, _, groups, blocks = size
    k = tl.program_id(1)
    sequence = tl.program_id(2).to(tl.int64) * tl.num_programs(1) + k
    chunk = tl.program_id(0) // (groups * blocks)
    block = tl.program_id(0) % (groups * blocks)
    width = channels // groups
    within = block % blocks * CHANNELS + tl.arange(0, CHANNELS)
    return sequence, k, chunk, block, block // blocks * width + within, within < width


@triton.jit
def _pixel(size, place, t):
    """The pixel of step t (``reference.ScanGrid.pixels``)."""
    packed, height, width, _, _, _, _ = size
    direction = (packed >> (2 * place[1])) & 3
    t = tl.where(direction >= 2, height * width - 1 - t, t)
    return tl.where(direction % 2 == 1, t % height * width + t // height, t)


@triton.jit
def _tile(pointer, row, size, place, STATES: tl.constexpr):
    """Addresses of the block's states in a row of (..., states, channels), and which exist."""
    own, exists = place[4], place[5]
    n = tl.arange(0, STATES)[:, None]
    valid = exists[None, :] & (n < size[4])
    return pointer + (row * size[4] + n) * size[3] + own[None, :], valid


@triton.jit
def _vector(pointer, row, size, place, STATES: tl.constexpr):
    """B or C of the block's group at a row of (..., groups, states)."""
    n = tl.arange(0, STATES)
    at = pointer + (row * size[5] + place[3] // size[6]) * size[4] + n
    return tl.load(at, mask=n < size[4], other=0.0)


@triton.jit
def _parameter(pointer, size, place):
    """D or the bias, (directions, channels); zero where there is none."""
    value = tl.zeros(place[4].shape, tl.float32)
    if pointer is not None:
        value = tl.load(pointer + place[1] * size[3] + place[4], mask=place[5], other=0.0)
    return value


@triton.jit
def _log1p(x):
    """log(1 + x) for x >= 0, exact to rounding also where 1 + x loses digits of x."""
    one = 1.0 + x
    near = one - 1.0
    return tl.where(near == 0.0, x, tl.log(one) * (x / tl.where(near == 0.0, 1.0, near)))


@triton.jit
def _read(inputs, size, place, t, stop, offset, SOFTPLUS: tl.constexpr, STATES: tl.constexpr):
    """A step: where it is and exists, delta + bias, the step's length, u, B and C.

    From ``stop`` on, steps and u are zero, which leaves the state as it is.
    """
    u, delta, _, B, C, _, _ = inputs
    inside = place[5] & (place[4] < tl.where(t < stop, size[3], 0))
    spot = _pixel(size, place, tl.where(t < stop, t, 0))
    pixel = place[0] // tl.num_programs(1) * size[1] * size[2] + spot
    row = pixel * tl.num_programs(1) + place[1]
    raw = tl.load(delta + row * size[3] + place[4], mask=inside, other=0.0) + offset
    step = raw
    if SOFTPLUS:
        step = tl.maximum(raw, 0.0) + _log1p(tl.exp(-tl.abs(raw)))
    drive = tl.load(u + pixel * size[3] + place[4], mask=inside, other=0.0)
    b, c = _vector(B, row, size, place, STATES), _vector(C, row, size, place, STATES)
    return (spot, pixel, row, inside), raw, tl.where(inside, step, 0.0), drive, b, c


@triton.jit
def _start(inputs, size, place, CHUNK: tl.constexpr, STATES: tl.constexpr):
    """A and the bias of the block, the chunk's first step and the first after it, its row."""
    length = size[1] * size[2]
    at, valid = _tile(inputs[2], place[1], size, place, STATES)
    start = place[2] * CHUNK
    row = place[0] * tl.cdiv(length, CHUNK) + place[2]
    rate, offset = tl.load(at, mask=valid, other=0.0), _parameter(inputs[6], size, place)
    return rate, offset, start, tl.minimum(start + CHUNK, length), row


@triton.jit
def advance(
    inputs, states, sums, size, SOFTPLUS: tl.constexpr, STATES: tl.constexpr,
    CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Every chunk from a state of zero: its last state, and the sum of its steps."""
    place = _place(size, CHANNELS)
    rate, offset, start, stop, row = _start(inputs, size, place, CHUNK, STATES)
    state = tl.zeros((STATES, CHANNELS), tl.float32)
    total = tl.zeros((CHANNELS,), tl.float32)
    for t in range(start, stop):
        _, _, step, u, b, _ = _read(inputs, size, place, t, stop, offset, SOFTPLUS, STATES)
        state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        total += step
    at, valid = _tile(states, row, size, place, STATES)
    tl.store(at, state, mask=valid)
    tl.store(sums + row * size[3] + place[4], total, mask=place[5])


@triton.jit
def carry(
    inputs, states, sums, size, SOFTPLUS: tl.constexpr, STATES: tl.constexpr,
    CHANNELS: tl.constexpr, CHUNK: tl.constexpr, BACKWARD: tl.constexpr,
):  # fmt: skip
    """Carry across chunks, in place.

    Forward: from what each chunk ends with alone to its true last state. Backward: from the
    adjoint that each chunk gives to the chunk before it alone, to what each chunk is given.
    """
    place = _place(size, CHANNELS)
    rate, _, _, _, first = _start(inputs, size, place, CHUNK, STATES)
    state = tl.zeros((STATES, CHANNELS), tl.float32)
    chunks = tl.cdiv(size[1] * size[2], CHUNK)
    for i in range(chunks):
        row = first + (chunks - 1 - i if BACKWARD else i)
        total = tl.load(sums + row * size[3] + place[4], mask=place[5], other=0.0)
        at, valid = _tile(states, row, size, place, STATES)
        alone = tl.load(at, mask=valid, other=0.0)
        if BACKWARD:
            tl.store(at, state, mask=valid)
        state = tl.exp(total[None, :] * rate) * state + alone
        if not BACKWARD:
            tl.store(at, state, mask=valid)


@triton.jit
def _before(states, size, place, row, STATES: tl.constexpr):
    """The state that enters a chunk."""
    at, valid = _tile(states, tl.maximum(row - 1, 0), size, place, STATES)
    return tl.where(place[2] > 0, tl.load(at, mask=valid, other=0.0), 0.0)


@triton.jit
def emit(
    inputs, states, y, size, SOFTPLUS: tl.constexpr, STATES: tl.constexpr,
    CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Every chunk from its true state: what the direction gives to each pixel."""
    place = _place(size, CHANNELS)
    rate, offset, start, stop, row = _start(inputs, size, place, CHUNK, STATES)
    skip = _parameter(inputs[5], size, place)
    state = _before(states, size, place, row, STATES)
    y += place[0] * size[1] * size[2] * size[3] + place[4]
    for t in range(start, stop):
        where, _, step, u, b, c = _read(inputs, size, place, t, stop, offset, SOFTPLUS, STATES)
        state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        found = tl.sum(state * c[:, None], axis=0) + skip * u
        tl.store(y + where[0] * size[3], found, mask=place[5])


@triton.jit
def retreat(
    inputs, upstream, states, adjoints, sums, marks, size, SOFTPLUS: tl.constexpr,
    STATES: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr, MARKS: tl.constexpr,
):  # fmt: skip
    """Every chunk's adjoint when none enters from the chunk after it, and the sum of its steps.

    On the way there: the state before every MARKS-th step.
    """
    place = _place(size, CHANNELS)
    rate, offset, start, stop, row = _start(inputs, size, place, CHUNK, STATES)
    state = _before(states, size, place, row, STATES)
    total = tl.zeros((CHANNELS,), tl.float32)
    for t in range(start, stop):
        if (t - start) % MARKS == 0:
            mark = row * (CHUNK // MARKS) + (t - start) // MARKS
            at, valid = _tile(marks, mark, size, place, STATES)
            tl.store(at, state, mask=valid)
        _, _, step, u, b, _ = _read(inputs, size, place, t, stop, offset, SOFTPLUS, STATES)
        state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        total += step
    adjoint = tl.zeros((STATES, CHANNELS), tl.float32)
    for i in range(stop - start):
        t = stop - 1 - i
        where, _, step, _, _, c = _read(inputs, size, place, t, stop, offset, SOFTPLUS, STATES)
        dy = tl.load(upstream + where[1] * size[3] + place[4], mask=place[5], other=0.0)
        adjoint = (adjoint + dy[None, :] * c[:, None]) * tl.exp(step[None, :] * rate)
    end, exist = _tile(adjoints, row, size, place, STATES)
    tl.store(end, adjoint, mask=exist)
    tl.store(sums + row * size[3] + place[4], total, mask=place[5])


@triton.jit
def _write(
    results, size, place, where, du, dstep, db, dc, y, stop, t, STATES: tl.constexpr
):  # fmt: skip
    """Gradients of one step, where ``results`` has them."""
    spot, _, row, inside = where
    at = (place[0] * size[1] * size[2] + spot) * size[3] + place[4]
    tl.store(results[0] + at, du, mask=inside)
    tl.store(results[1] + row * size[3] + place[4], dstep, mask=inside)
    if results[7] is not None:
        tl.store(results[7] + at, y, mask=inside)
    n = tl.arange(0, STATES)
    vector = (row * size[5] * size[6] + place[3]) * size[4] + n
    there = n < tl.where(t < stop, size[4], 0)
    tl.store(results[3] + vector, db, mask=there)
    tl.store(results[4] + vector, dc, mask=there)


@triton.jit
def differentiate(
    inputs, upstream, adjoints, marks, results, size, SOFTPLUS: tl.constexpr,
    STATES: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr, MARKS: tl.constexpr,
):  # fmt: skip
    """Every chunk backwards, MARKS steps at a time, from its true adjoint: all gradients.

    ``results``: du by direction, ddelta, dA by chunk, dB and dC by block of channels, dD and the
    bias's by chunk, y before the gate by direction; the last three may be None.
    """
    place = _place(size, CHANNELS)
    rate, offset, start, stop, here = _start(inputs, size, place, CHUNK, STATES)
    skip = _parameter(inputs[5], size, place)
    end, exist = _tile(adjoints, here, size, place, STATES)
    adjoint = tl.load(end, mask=exist, other=0.0)
    rate_total = tl.zeros((STATES, CHANNELS), tl.float32)
    skip_total, step_total = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    marked = tl.cdiv(stop - start, MARKS)
    for i in range(marked):
        mark = marked - 1 - i
        at, valid = _tile(marks, here * (CHUNK // MARKS) + mark, size, place, STATES)
        state = tl.load(at, mask=valid, other=0.0)
        kept = ()
        for j in tl.static_range(MARKS):
            kept = kept + (state,)  # noqa: RUF005 (Triton has no unpacking)
            t = start + mark * MARKS + j
            _, _, step, u, b, _ = _read(inputs, size, place, t, stop, offset, SOFTPLUS, STATES)
            state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        for j in tl.static_range(MARKS):
            t = start + mark * MARKS + (MARKS - 1 - j)
            where, raw, step, u, b, c = _read(
                inputs, size, place, t, stop, offset, SOFTPLUS, STATES
            )
            dy = tl.load(upstream + where[1] * size[3] + place[4], mask=where[3], other=0.0)
            decay = tl.exp(step[None, :] * rate)
            decayed = decay * kept[MARKS - 1 - j]
            after = decayed + (step * u)[None, :] * b[:, None]
            adjoint += dy[None, :] * c[:, None]
            through = adjoint * decayed
            driven = tl.sum(adjoint * b[:, None], axis=0)
            dstep = tl.sum(through * rate, axis=0) + driven * u
            if SOFTPLUS:
                dstep = dstep * tl.sigmoid(raw)
            rate_total += through * step[None, :]
            skip_total += dy * u
            step_total += tl.where(where[3], dstep, 0.0)
            db = tl.sum(adjoint * (step * u)[None, :], axis=1)
            dc = tl.sum(after * dy[None, :], axis=1)
            y = tl.sum(after * c[:, None], axis=0) + skip * u
            du = driven * step + dy * skip
            _write(results, size, place, where, du, dstep, db, dc, y, stop, t, STATES)
            adjoint = adjoint * decay
    end, exist = _tile(results[2], here, size, place, STATES)
    tl.store(end, rate_total, mask=exist)
    if results[5] is not None:
        tl.store(results[5] + here * size[3] + place[4], skip_total, mask=place[5])
    if results[6] is not None:
        tl.store(results[6] + here * size[3] + place[4], step_total, mask=place[5])
