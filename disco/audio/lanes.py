"""Sixteen numbers side by side as one value of compiled loops, which wide instructions work on.

By itself the compiler goes wide only where it can prove that arrays do not overlap. Loops are compiled anew
when their own file changes: after a change here, touch the files of those that import it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

SIDE = 16
_VECTOR = ir.VectorType(ir.FloatType(), SIDE)


class Lanes(types.Type):
    """The type of sixteen float32."""


lanes = Lanes("Lanes")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@intrinsic
@no_type_check
def load(typing, array, index):
    """Take the numbers from a place of a flat float32 array on; nobody looks whether they are there."""

    @no_type_check
    def generate(context, builder, signature, values):
        return builder.load(_pointer(context, builder, signature, values), align=4)

    return lanes(array, types.intp), generate


@intrinsic
@no_type_check
def store(typing, array, index, value):
    """Put numbers into a flat float32 array from a place on; nobody looks whether there is room."""

    @no_type_check
    def generate(context, builder, signature, values):
        builder.store(values[2], _pointer(context, builder, signature, values), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
@no_type_check
def same(typing, value):
    """Give one number sixteen times."""

    @no_type_check
    def generate(context, builder, signature, values):
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, values[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), SIDE), None))

    return lanes(types.float32), generate


@intrinsic
@no_type_check
def root(typing, value):
    """Give the square roots."""

    @no_type_check
    def generate(context, builder, signature, values):
        kind, name = ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{SIDE}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return lanes(lanes), generate


@intrinsic
@no_type_check
def larger(typing, one, other):
    """Give the larger number of either, place by place."""
    return lanes(lanes, lanes), _chosen(">")


@intrinsic
@no_type_check
def smaller(typing, one, other):
    """Give the smaller number of either, place by place."""
    return lanes(lanes, lanes), _chosen("<")


@intrinsic
@no_type_check
def exceeds(typing, one, other):
    """Tell whether any number is larger than the other in its place."""

    @no_type_check
    def generate(context, builder, signature, values):
        found = builder.bitcast(builder.fcmp_ordered(">", *values, flags=("fast",)), ir.IntType(SIDE))
        return builder.icmp_unsigned("!=", found, ir.Constant(ir.IntType(SIDE), 0))

    return types.boolean(lanes, lanes), generate


@no_type_check
def _chosen(order):
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(order, *values, flags=("fast",)), *values)

    return generate


@no_type_check
def _pointer(context, builder, signature, values):
    data = context.make_array(signature.args[0])(context, builder, values[0]).data
    return builder.bitcast(builder.gep(data, [values[1]]), _VECTOR.as_pointer())


def _define(symbol: Callable[..., Any], name: str) -> None:
    """Let an operator of Python stand for an instruction."""

    @type_callable(symbol)
    @no_type_check
    def declare(context):
        def typer(one: Any, other: Any) -> Lanes | None:
            return lanes if isinstance(one, Lanes) and isinstance(other, Lanes) else None

        return typer

    @lower_builtin(symbol, Lanes, Lanes)
    @no_type_check
    def generate(context, builder, signature, values):
        return getattr(builder, name)(*values, flags=("fast",))


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
