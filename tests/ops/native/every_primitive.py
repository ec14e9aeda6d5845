"""Runs every primitive of the extension, forward and backward, in shapes with and without a remainder.

`python every_primitive.py [FLAG ...]`: flags with which the extension is compiled.
"""

import sys
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from femo_jax.ops import avg_pool, batch_norm, conv2d, max_pool
from femo_jax.ops.native import library

library.build = partial(library.build, extra_flags=tuple(sys.argv[1:]))
library.load()
rng = np.random.default_rng(0)
dtypes = (jnp.float32, jnp.bfloat16) if library.trains_in_bfloat16() else (jnp.float32,)


def run(calls):
    """Operations with their arrays, and their gradients, compiled together; nothing may be left undefined."""

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # compiles in half the time
    def all_of(arrays_of_each):
        results = []
        for (operation, _), arrays in zip(calls, arrays_of_each, strict=True):
            output, pull = jax.vjp(operation, *arrays)
            results.append((output, pull(jnp.ones_like(output))))
        return results

    for leaf in jax.tree.leaves(all_of([arrays for _, arrays in calls])):
        assert np.isfinite(np.asarray(leaf, np.float32)).all()


def drawn(*shape, dtype=jnp.float32):
    return jnp.asarray(rng.normal(size=shape), dtype)


for dtype, (size, channels, features, groups) in product(
    dtypes,
    [((7, 9), 5, 11, 1), ((24, 24), 1, 8, 1), ((7, 6), 17, 20, 1), ((6, 8), 6, 9, 3), ((9, 9), 17, 17, 17)],
):
    x, calls = drawn(2, *size, channels, dtype=dtype), []
    for extent, strides, padding in [(3, 1, "SAME"), (3, 2, "VALID"), (1, 2, "SAME"), (5, 1, "SAME")]:
        convolve = partial(conv2d, strides=strides, padding=padding, groups=groups, implementation="onednn")
        kernel = drawn(extent, extent, channels // groups, features)
        calls.append((convolve, (x, kernel)))
    calls.append((partial(convolve, relu=True), (x, kernel, drawn(features))))
    for relu in (False, True):
        norm = partial(batch_norm, relu=relu, implementation="onednn")
        calls.append((lambda *arrays, norm=norm: norm(*arrays)[0], (x, drawn(channels), drawn(channels))))
    for pool in (max_pool, avg_pool):
        calls.append((partial(pool, implementation="onednn"), (x,)))
        calls.append((partial(pool, window=3, strides=2, padding="SAME", implementation="onednn"), (x,)))
    run(calls)
run([(partial(max_pool, window=17, implementation="onednn"), (drawn(1, 17, 18, 3),))])
print("every primitive ran")
