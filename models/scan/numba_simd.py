"""Vectors of 16 floats for numba: arithmetic that maps to the processor's vector instructions.

Numba's own loops vectorise only where LLVM can prove that arrays do not overlap. A value of type
``VECTOR`` is an LLVM vector: one register with AVX-512, two with AVX2, four with NEON.
"""

# numba hands an intrinsic its typing context
# pyright: reportCallIssue=false

from __future__ import annotations

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
inlined = numba.njit(forceinline=True, **OPTIONS)
kernel = numba.njit(**OPTIONS)

_FLOAT = ir.FloatType()
_FLOATS = ir.VectorType(_FLOAT, LANES)
_BITS = ir.VectorType(ir.IntType(32), LANES)


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(f"float32x{LANES}")


VECTOR = _Vector()
POINTER = types.CPointer(types.float32)


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


def _spread(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A vector as it is; a number in every lane."""
    if isinstance(kind, _Vector):
        return value
    value = context.cast(builder, value, kind, types.float32)
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_BITS, [0] * LANES))


def _vectors(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    pairs = zip(signature.args, arguments, strict=True)
    return [_spread(context, builder, kind, value) for kind, value in pairs]


def _arithmetic(symbol: Any, instruction: str) -> None:
    @intrinsic
    def apply(typing, a, b):
        def code(context, builder, signature, arguments):
            operands = _vectors(context, builder, signature, arguments)
            return getattr(builder, instruction)(*operands)

        return VECTOR(a, b), code

    @overload(symbol)
    def _(a, b):
        if isinstance(a, _Vector) or isinstance(b, _Vector):
            return lambda a, b: apply(a, b)
        return None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _arithmetic(_symbol, _instruction)


@intrinsic
def pointer(typing, address):
    """A float32 pointer from an address (``Tensor.data_ptr()``)."""

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(POINTER))

    return POINTER(types.intp), code


@intrinsic
def after(typing, start, count):
    """The pointer ``count`` floats on."""

    def code(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return start(start, types.intp), code


def _vector_at(builder: Any, start: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(start, [index]), _FLOATS.as_pointer())


@intrinsic
def load(typing, start, index):
    """The vector at a pointer's float ``index``, at any alignment."""

    def code(context, builder, signature, arguments):
        return builder.load(_vector_at(builder, *arguments), align=4)

    return VECTOR(start, types.intp), code


@intrinsic
def store(typing, start, index, value):
    """Writes a vector, or a number into every lane, at a pointer's float ``index``."""

    def code(context, builder, signature, arguments):
        start, index, value = arguments
        value = _spread(context, builder, signature.args[2], value)
        builder.store(value, _vector_at(builder, start, index), align=4)

    return types.void(start, types.intp, value), code


def _room(builder: Any) -> tuple[Any, Any]:
    room = cgutils.alloca_once(builder, ir.ArrayType(_FLOAT, LANES))
    return builder.bitcast(room, _FLOAT.as_pointer()), builder.bitcast(room, _FLOATS.as_pointer())


@intrinsic
def _load_some(typing, start, index, lanes):
    def code(context, builder, signature, arguments):
        start, index, lanes = arguments
        elements, whole = _room(builder)
        builder.store(ir.Constant(_FLOATS, None), whole, align=4)
        source = builder.gep(start, [index])
        with cgutils.for_range(builder, lanes) as loop:
            value = builder.load(builder.gep(source, [loop.index]))
            builder.store(value, builder.gep(elements, [loop.index]))
        return builder.load(whole, align=4)

    return VECTOR(start, types.intp, types.intp), code


@intrinsic
def _store_some(typing, start, index, lanes, value):
    def code(context, builder, signature, arguments):
        start, index, lanes, value = arguments
        elements, whole = _room(builder)
        builder.store(value, whole, align=4)
        target = builder.gep(start, [index])
        with cgutils.for_range(builder, lanes) as loop:
            one = builder.load(builder.gep(elements, [loop.index]))
            builder.store(one, builder.gep(target, [loop.index]))

    return types.void(start, types.intp, types.intp, value), code


@kernel
def _take_some(start, index, lanes):
    return _load_some(start, index, lanes)


@kernel
def _put_some(start, index, lanes, value):
    _store_some(start, index, lanes, value)


@inlined
def take(start, index, lanes):
    """The first lanes from memory, the others zero."""
    if lanes == LANES:
        return load(start, index)
    return _take_some(start, index, lanes)


@inlined
def put(start, index, lanes, value):
    """Writes the first lanes."""
    if lanes == LANES:
        store(start, index, value)
    else:
        _put_some(start, index, lanes, value)


@intrinsic
def spread(typing, x):
    """A number in every lane."""

    def code(context, builder, signature, arguments):
        return _vectors(context, builder, signature, arguments)[0]

    return VECTOR(x), code


def _chosen(comparison: str) -> Any:
    @intrinsic
    def choose(typing, x, bound):
        def code(context, builder, signature, arguments):
            x, bound = _vectors(context, builder, signature, arguments)
            return builder.select(builder.fcmp_ordered(comparison, x, bound), bound, x)

        return VECTOR(x, bound), code

    return choose


at_least = _chosen("<")  # the larger of x and bound, NaN where x is
at_most = _chosen(">")


@intrinsic
def where_negative(typing, x, a, b):
    """``a`` in the lanes where x < 0, else ``b``."""

    def code(context, builder, signature, arguments):
        x, a, b = _vectors(context, builder, signature, arguments)
        return builder.select(builder.fcmp_ordered("<", x, ir.Constant(_FLOATS, None)), a, b)

    return VECTOR(x, a, b), code


@intrinsic
def magnitude(typing, x):
    """|x|."""

    def code(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], _BITS)
        bits = builder.and_(bits, ir.Constant(_BITS, [0x7FFFFFFF] * LANES))
        return builder.bitcast(bits, _FLOATS)

    return VECTOR(x), code


@intrinsic
def fused(typing, a, b, c):
    """a b + c, rounded once where the processor can."""

    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, _vectors(context, builder, signature, arguments))

    return VECTOR(a, b, c), code


@intrinsic
def _power(typing, x):
    """2**k of a float that is k + MAGIC."""

    def code(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], _BITS)
        return builder.bitcast(builder.shl(bits, ir.Constant(_BITS, [23] * LANES)), _FLOATS)

    return VECTOR(x), code


@intrinsic
def _times_power(typing, p, x):
    """p 2**k of a float x that is k + _WHOLE, where p 2**k is normal: k goes onto p's exponent."""

    def code(context, builder, signature, arguments):
        p, x = (builder.bitcast(argument, _BITS) for argument in arguments)
        raised = builder.add(p, builder.shl(x, ir.Constant(_BITS, [23] * LANES)))
        return builder.bitcast(raised, _FLOATS)

    return VECTOR(p, x), code


@intrinsic
def all_within(typing, x, bound):
    """Whether x <= bound in every lane."""

    def code(context, builder, signature, arguments):
        x, bound = _vectors(context, builder, signature, arguments)
        flags = builder.bitcast(builder.fcmp_ordered("<=", x, bound), ir.IntType(LANES))
        return builder.icmp_unsigned("==", flags, ir.Constant(ir.IntType(LANES), -1))

    return types.boolean(x, bound), code


def _pair_sums(builder: Any, x: Any, y: Any, half: int) -> Any:
    """Sums of lanes ``half`` apart, of x and of y in turn."""
    low, high = [], []
    if half > 1:
        for base in range(0, LANES, 2 * half):
            for shift in (0, LANES):
                low += [base + shift + i for i in range(half)]
                high += [base + shift + half + i for i in range(half)]
    else:
        for base in range(0, LANES, 4):
            for shift in (0, LANES):
                low += [base + shift, base + shift + 2]
                high += [base + shift + 1, base + shift + 3]
    left, right = (builder.shuffle_vector(x, y, ir.Constant(_BITS, lanes)) for lanes in (low, high))
    return builder.fadd(left, right)


@intrinsic
def lane_sums(typing, start, index):
    """For 16 vectors that follow each other in memory, the sum over the lanes of each."""

    def code(context, builder, signature, arguments):
        first = _vector_at(builder, *arguments)
        wide = ir.IntType(64)
        rows = [
            builder.load(builder.gep(first, [ir.Constant(wide, row)]), align=4)
            for row in range(LANES)
        ]
        rows = [_pair_sums(builder, rows[i], rows[i + 8], 8) for i in range(8)]
        rows = [_pair_sums(builder, rows[i], rows[i + 4], 4) for i in range(4)]
        rows = [_pair_sums(builder, rows[i], rows[i + 1], 2) for i in (0, 2)]
        return _pair_sums(builder, rows[0], rows[1], 1)

    return VECTOR(start, types.intp), code


# x + MAGIC rounds x to an integer, whose bits with the exponent's bias then stand at the low end
MAGIC = np.float32(1.5 * 2**23 + 127)
_WHOLE = np.float32(1.5 * 2**23)  # the same without the bias
LOG2E = 1.4426950408889634
LN2 = 0.6931471805599453
_LN2_HIGH = 0.693359375  # few enough bits that its products with small integers are exact
_LN2_LOW = LN2 - _LN2_HIGH


@inlined
def exp2_of_product(a, b, wild):
    """2**(a b), to 2e-7; without ``wild`` only for |a b| <= 126, with it cut to [-127, 128]."""
    if wild:
        x = at_most(at_least(a * b, -127.0), 128.0)
        k = x + MAGIC
        r = x - (k - MAGIC)
        return _power(k) * _exp2_near_zero(r)
    k = fused(a, b, _WHOLE)
    return _times_power(_exp2_near_zero(fused(a, b, _WHOLE - k)), k)


@inlined
def _exp2_near_zero(r):
    """2**r within [-1/2, 1/2], to 2e-7."""
    p = fused(r, 0.001320361038758933, 0.009667991995632265)
    p = fused(r, p, 0.05550906916396994)
    p = fused(r, p, 0.2402232060848337)
    p = fused(r, p, 0.6931469108245465)
    return fused(r, p, 1.0)


@inlined
def _exp_of_negative(x):
    x = at_least(x, -88.0)
    k = fused(x, LOG2E, MAGIC)
    n = k - MAGIC
    r = fused(n, -_LN2_LOW, fused(n, -_LN2_HIGH, x))
    p = fused(r, 0.0013814613131267932, 0.008368709828074203)
    p = fused(r, p, 0.04166838736390844)
    p = fused(r, p, 0.16666520689790637)
    p = fused(r, p, 0.4999999345169531)
    p = fused(r, p, 1.0)
    return _power(k) * fused(r, p, 1.0)


@inlined
def softplus(x):
    """log(1 + exp x), relative error 3e-7 down to x = -88."""
    e = _exp_of_negative(0.0 - magnitude(x))
    q = fused(e, -0.003318473341399321, 0.020204588551049764)
    q = fused(e, q, -0.057664451148421336)
    q = fused(e, q, 0.10680556238028321)
    q = fused(e, q, -0.15355396758959944)
    q = fused(e, q, 0.19695400717967462)
    q = fused(e, q, -0.2495858746409123)
    q = fused(e, q, 0.33330511325621437)
    q = fused(e, q, -0.49999932763861255)
    return at_least(x, 0.0) + fused(e * e, q, e)


@inlined
def sigmoid(x):
    """1 / (1 + exp -x)."""
    e = _exp_of_negative(0.0 - magnitude(x))
    return where_negative(x, e, 1.0) / (1.0 + e)
