"""One operation in vectors of 16 that the compiler does not find in a loop by itself."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

WIDTH = 16
_FAST = ("fast",)


@intrinsic
def spline_point(typingctx: Any, values: Any, rows: Any, weights: Any, out: Any, k: Any) -> Any:  # noqa: ANN401 - numba's types
    """Row `k` of `out`: the sum of 16 runs of four rows of `values`, with the weights of a tensor product.

    Run 4 a + b begins at `rows[4 a + b]`, and its row c has the weight weights[a] weights[4 + b]
    weights[8 + c]. Arrays are C-contiguous, `values` and `out` (n, 16) and `weights` (12) of float32,
    `rows` (16) of int64.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:  # noqa: ANN401
        single, integer, vector = ir.FloatType(), ir.IntType(64), ir.VectorType(ir.FloatType(), WIDTH)
        nowhere = ir.Constant(vector, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        pointers = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[:4], args[:4], strict=True)
        ]

        def number(pointer: ir.Value, index: int) -> ir.Value:
            return builder.load(builder.gep(pointer, [ir.Constant(integer, index)]))

        def row(pointer: ir.Value, place: ir.Value) -> ir.Value:
            start = builder.gep(pointer, [builder.mul(place, ir.Constant(integer, WIDTH))])
            return builder.bitcast(start, vector.as_pointer())

        def spread(value: ir.Value) -> ir.Value:
            first = builder.insert_element(nowhere, value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(first, nowhere, everywhere)

        def add(total: ir.Value | None, term: ir.Value) -> ir.Value:
            return term if total is None else builder.fadd(total, term, flags=_FAST)

        assert pointers[2].type.pointee == single
        w = [number(pointers[2], n) for n in range(12)]
        along = [spread(w[8 + c]) for c in range(4)]
        # A sum for each b: one for all would wait for each of its terms.
        sums: list[ir.Value | None] = [None] * 4
        for a in range(4):
            for b in range(4):
                begin, run = number(pointers[1], 4 * a + b), None
                for c in range(4):
                    place = row(pointers[0], builder.add(begin, ir.Constant(integer, c)))
                    run = add(run, builder.fmul(along[c], builder.load(place, align=4), flags=_FAST))
                weight = spread(builder.fmul(w[a], w[4 + b]))
                sums[b] = add(sums[b], builder.fmul(weight, run, flags=_FAST))
        total = add(add(sums[0], sums[1]), add(sums[2], sums[3]))
        builder.store(total, row(pointers[3], args[4]), align=4)
        return context.get_dummy_value()

    return types.void(values, rows, weights, out, k), generate
