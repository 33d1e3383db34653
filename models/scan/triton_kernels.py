"""Triton kernels of the selective scan; ``triton_backend`` starts them and says how they compose.

A state is a tile (STATES, CHANNELS), and so it lies in memory: with channels across the threads,
sums over the states of a channel stay within a thread.

What the kernels share: ``inputs``, the scan's u, delta, A as (directions, states, channels), B, C,
D and bias; ``size``, the directions packed two bits each, height, width, channels, number of
directions, groups, blocks of channels a group, and steps of a part; ``place``, what this program
works on. ORDER is the number of states of a channel, and STATES a power of two that holds them:
where both are one, a step's B and C are read four numbers at a time.
"""

# triton types its ranges as calls that do not return
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _place(size, k, CHANNELS: tl.constexpr):
    """Sequence, direction's place, part, block, the block's channels and which of them exist."""
    _, _, _, channels, directions, groups, blocks, _ = size
    sequence = tl.program_id(1).to(tl.int64) * directions + k
    part = tl.program_id(0) // (groups * blocks)
    block = tl.program_id(0) % (groups * blocks)
    width = channels // groups
    within = block % blocks * CHANNELS + tl.arange(0, CHANNELS)
    return sequence, k, part, block, block // blocks * width + within, within < width


@triton.jit
def _direction(size, k):
    return (size[0] >> (2 * k)) & 3


@triton.jit
def _pixel(size, place, t):
    """The pixel of step t (``reference.ScanGrid.pixels``)."""
    height, width = size[1], size[2]
    direction = _direction(size, place[1])
    t = tl.where(direction >= 2, height * width - 1 - t, t)
    return tl.where(direction % 2 == 1, t % height * width + t // height, t)


@triton.jit
def _steps(size, place):
    """First step of a part and the first after it: a part is the same pixels both ways."""
    length = size[1] * size[2]
    low = place[2] * size[7]
    high = tl.minimum(low + size[7], length)
    backwards = _direction(size, place[1]) >= 2
    return tl.where(backwards, length - high, low), tl.where(backwards, length - low, high)


@triton.jit
def _tile(pointer, row, size, place, ORDER: tl.constexpr, STATES: tl.constexpr):
    """Addresses of the block's states in a row of (..., states, channels), and which exist."""
    own, exists = place[4], place[5]
    n = tl.arange(0, STATES)[:, None]
    valid = exists[None, :] & (n < ORDER)
    return pointer + (row * ORDER + n) * size[3] + own[None, :], valid


@triton.jit
def _vector(pointer, row, size, place, ORDER: tl.constexpr, STATES: tl.constexpr):
    """B or C of the block's group at a row of (..., groups, states)."""
    n = tl.arange(0, STATES)
    at = pointer + (row * size[5] + place[3] // size[6]) * ORDER + n
    return tl.load(at) if ORDER == STATES else tl.load(at, mask=n < ORDER, other=0.0)


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
def _read(
    inputs, size, place, t, stop, offset, SOFTPLUS: tl.constexpr, ORDER: tl.constexpr,
    STATES: tl.constexpr,
):  # fmt: skip
    """A step: where it is and exists, delta + bias, the step's length, u, B and C.

    From ``stop`` on, steps and u are zero, which leaves the state as it is.
    """
    u, delta, _, B, C, _, _ = inputs
    inside = place[5] & (place[4] < tl.where(t < stop, size[3], 0))
    spot = _pixel(size, place, tl.where(t < stop, t, 0))
    pixel = tl.program_id(1).to(tl.int64) * size[1] * size[2] + spot
    row = pixel * size[4] + place[1]
    raw = tl.load(delta + row * size[3] + place[4], mask=inside, other=0.0) + offset
    step = raw
    if SOFTPLUS:
        step = tl.maximum(raw, 0.0) + _log1p(tl.exp(-tl.abs(raw)))
    drive = tl.load(u + pixel * size[3] + place[4], mask=inside, other=0.0)
    b = _vector(B, row, size, place, ORDER, STATES)
    c = _vector(C, row, size, place, ORDER, STATES)
    return (spot, pixel, row, inside), raw, tl.where(inside, step, 0.0), drive, b, c


@triton.jit
def _rates(inputs, size, place, ORDER: tl.constexpr, STATES: tl.constexpr):
    """A and the bias of the block."""
    at, valid = _tile(inputs[2], place[1], size, place, ORDER, STATES)
    return tl.load(at, mask=valid, other=0.0), _parameter(inputs[6], size, place)


@triton.jit
def _start(inputs, size, place, CHUNK: tl.constexpr, ORDER: tl.constexpr, STATES: tl.constexpr):
    """A and the bias of the block, the chunk's first step and the first after it, its row."""
    length = size[1] * size[2]
    start = place[2] * CHUNK
    row = place[0] * tl.cdiv(length, CHUNK) + place[2]
    rate, offset = _rates(inputs, size, place, ORDER, STATES)
    return rate, offset, start, tl.minimum(start + CHUNK, length), row


@triton.jit
def advance(
    inputs, ends, sums, size, parts, SOFTPLUS: tl.constexpr, ORDER: tl.constexpr,
    STATES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Every part from a state of zero: its last state, and the sum of its steps."""
    place = _place(size, tl.program_id(2), CHANNELS)
    rate, offset = _rates(inputs, size, place, ORDER, STATES)
    start, stop = _steps(size, place)
    state = tl.zeros((STATES, CHANNELS), tl.float32)
    total = tl.zeros((CHANNELS,), tl.float32)
    for t in range(start, stop):
        _, _, step, u, b, _ = _read(inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES)
        state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        total += step
    row = place[0] * parts + place[2]
    at, valid = _tile(ends, row, size, place, ORDER, STATES)
    tl.store(at, state, mask=valid)
    tl.store(sums + row * size[3] + place[4], total, mask=place[5])


@triton.jit
def carry(
    inputs, states, sums, size, parts, ORDER: tl.constexpr, STATES: tl.constexpr,
    CHANNELS: tl.constexpr, BACKWARD: tl.constexpr,
):  # fmt: skip
    """Carry across parts, in place: from what each gives alone to what enters it.

    Forward: states, parts in the order of their pixels. Backward: adjoints, parts in the order of
    their steps, from the last to the first.
    """
    place = _place(size, tl.program_id(2), CHANNELS)
    rate, _ = _rates(inputs, size, place, ORDER, STATES)
    state = tl.zeros((STATES, CHANNELS), tl.float32)
    descending = BACKWARD or _direction(size, place[1]) >= 2
    for i in range(parts):
        row = place[0] * parts + tl.where(descending, parts - 1 - i, i)
        total = tl.load(sums + row * size[3] + place[4], mask=place[5], other=0.0)
        at, valid = _tile(states, row, size, place, ORDER, STATES)
        alone = tl.load(at, mask=valid, other=0.0)
        tl.store(at, state, mask=valid)
        state = tl.exp(total[None, :] * rate) * state + alone


@triton.jit
def _before(states, size, place, row, ORDER: tl.constexpr, STATES: tl.constexpr):
    """The state that enters a chunk."""
    at, valid = _tile(states, tl.maximum(row - 1, 0), size, place, ORDER, STATES)
    return tl.where(place[2] > 0, tl.load(at, mask=valid, other=0.0), 0.0)


@triton.jit(do_not_specialize=["first", "second"])
def emit(
    inputs, entering, states, y, z, size, parts, first, second, SOFTPLUS: tl.constexpr,
    ORDER: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
    PAIR: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """A part there and, in a PAIR, back: what the directions ``first`` and ``second`` give.

    They go along the same axis, so that a pixel of a channel is this program's alone: it writes y,
    or adds to what is there. Where z is given, y is then gated. ``states`` gets the state after
    every chunk of steps.
    """
    length = size[1] * size[2]
    chunks = tl.cdiv(length, CHUNK)
    for turn in tl.static_range(1 + PAIR):
        place = _place(size, first if turn == 0 else second, CHANNELS)
        rate, offset = _rates(inputs, size, place, ORDER, STATES)
        skip = _parameter(inputs[5], size, place)
        start, stop = _steps(size, place)
        state = tl.zeros((STATES, CHANNELS), tl.float32)
        if entering is not None:
            row = place[0] * parts + place[2]
            at, valid = _tile(entering, row, size, place, ORDER, STATES)
            state = tl.load(at, mask=valid, other=0.0)
        for t in range(start, stop):
            where, _, step, u, b, c = _read(
                inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES
            )
            state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
            found = tl.sum(state * c[:, None], axis=0) + skip * u
            here = where[1] * size[3] + place[4]
            if ADD or turn == 1:
                found += tl.load(y + here, mask=place[5], other=0.0)
            if turn == PAIR and z is not None:
                gate = tl.load(z + here, mask=place[5], other=0.0)
                found *= gate * tl.sigmoid(gate)
            tl.store(y + here, found, mask=place[5])
            if ((t + 1) % CHUNK == 0) | (t == length - 1):  # pyright: ignore[reportOperatorIssue]
                after = place[0] * chunks + t // CHUNK
                spot, valid = _tile(states, after, size, place, ORDER, STATES)
                tl.store(spot, state, mask=valid)


@triton.jit
def retreat(
    inputs, upstream, states, adjoints, sums, marks, size, SOFTPLUS: tl.constexpr,
    ORDER: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
    MARKS: tl.constexpr,
):  # fmt: skip
    """Every chunk's adjoint when none enters from the chunk after it, and the sum of its steps.

    On the way there: the state before every MARKS-th step.
    """
    place = _place(size, tl.program_id(2), CHANNELS)
    rate, offset, start, stop, row = _start(inputs, size, place, CHUNK, ORDER, STATES)
    state = _before(states, size, place, row, ORDER, STATES)
    total = tl.zeros((CHANNELS,), tl.float32)
    for t in range(start, stop):
        if (t - start) % MARKS == 0:
            mark = row * (CHUNK // MARKS) + (t - start) // MARKS
            at, valid = _tile(marks, mark, size, place, ORDER, STATES)
            tl.store(at, state, mask=valid)
        _, _, step, u, b, _ = _read(inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES)
        state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        total += step
    adjoint = tl.zeros((STATES, CHANNELS), tl.float32)
    for i in range(stop - start):
        t = stop - 1 - i
        where, _, step, _, _, c = _read(
            inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES
        )
        dy = tl.load(upstream + where[1] * size[3] + place[4], mask=place[5], other=0.0)
        adjoint = (adjoint + dy[None, :] * c[:, None]) * tl.exp(step[None, :] * rate)
    end, exist = _tile(adjoints, row, size, place, ORDER, STATES)
    tl.store(end, adjoint, mask=exist)
    tl.store(sums + row * size[3] + place[4], total, mask=place[5])


@triton.jit
def _write(
    results, size, place, where, du, dstep, db, dc, y, stop, t, ORDER: tl.constexpr,
    STATES: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """Gradients of one step, where ``results`` has them; du and y are added to where ADD says."""
    _, pixel, row, inside = where
    at = pixel * size[3] + place[4]
    if ADD:
        du += tl.load(results[0] + at, mask=inside, other=0.0)
    tl.store(results[0] + at, du, mask=inside)
    tl.store(results[1] + row * size[3] + place[4], dstep, mask=inside)
    if results[7] is not None:
        if ADD:
            y += tl.load(results[7] + at, mask=inside, other=0.0)
        tl.store(results[7] + at, y, mask=inside)
    n = tl.arange(0, STATES)
    vector = (row * size[5] * size[6] + place[3]) * ORDER + n
    there = n < tl.where(t < stop, ORDER, 0)
    tl.store(results[3] + vector, db, mask=there)
    tl.store(results[4] + vector, dc, mask=there)


@triton.jit(do_not_specialize=["k"])
def differentiate(
    inputs, upstream, adjoints, marks, results, size, k, SOFTPLUS: tl.constexpr,
    ORDER: tl.constexpr, STATES: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
    MARKS: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """Every chunk of direction k backwards, MARKS steps at a time, from its true adjoint.

    ``results``: du, ddelta, dA by chunk, dB and dC by block of channels, dD and the bias's by
    chunk, y before the gate; the last three may be None. Directions add to du and y in turn.
    """
    place = _place(size, k, CHANNELS)
    rate, offset, start, stop, here = _start(inputs, size, place, CHUNK, ORDER, STATES)
    skip = _parameter(inputs[5], size, place)
    end, exist = _tile(adjoints, here, size, place, ORDER, STATES)
    adjoint = tl.load(end, mask=exist, other=0.0)
    rate_total = tl.zeros((STATES, CHANNELS), tl.float32)
    skip_total, step_total = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    marked = tl.cdiv(stop - start, MARKS)
    for i in range(marked):
        mark = marked - 1 - i
        at, valid = _tile(marks, here * (CHUNK // MARKS) + mark, size, place, ORDER, STATES)
        state = tl.load(at, mask=valid, other=0.0)
        kept = ()
        for j in tl.static_range(MARKS):
            kept = kept + (state,)  # noqa: RUF005 (Triton has no unpacking)
            t = start + mark * MARKS + j
            _, _, step, u, b, _ = _read(
                inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES
            )
            state = tl.exp(step[None, :] * rate) * state + (step * u)[None, :] * b[:, None]
        for j in tl.static_range(MARKS):
            t = start + mark * MARKS + (MARKS - 1 - j)
            where, raw, step, u, b, c = _read(
                inputs, size, place, t, stop, offset, SOFTPLUS, ORDER, STATES
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
            _write(results, size, place, where, du, dstep, db, dc, y, stop, t, ORDER, STATES, ADD)
            adjoint = adjoint * decay
    end, exist = _tile(results[2], here, size, place, ORDER, STATES)
    tl.store(end, rate_total, mask=exist)
    if results[5] is not None:
        tl.store(results[5] + here * size[3] + place[4], skip_total, mask=place[5])
    if results[6] is not None:
        tl.store(results[6] + here * size[3] + place[4], step_total, mask=place[5])
