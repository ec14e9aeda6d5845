import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.ops import avg_pool, batch_norm, max_pool

CASES = {
    # name: images, window, strides, padding
    "2 by 2": ((2, 8, 6, 16), 2, None, "VALID"),
    "2 by 2, rest left over": ((2, 7, 9, 5), 2, None, "VALID"),
    "2 by 2 SAME, odd": ((2, 7, 9, 5), 2, None, "SAME"),
    "3 by 2 SAME": ((2, 8, 8, 8), 3, 2, "SAME"),
    "3 by 2 SAME, odd": ((2, 11, 7, 8), 3, 2, "SAME"),
    "3 by 2": ((2, 9, 8, 3), 3, 2, "VALID"),
    "3 by 1 SAME": ((2, 6, 5, 4), 3, 1, "SAME"),
    "2 by 3, pixels in no window": ((2, 8, 8, 4), 2, 3, "VALID"),
    "5 by 1": ((1, 6, 7, 4), 5, 1, "VALID"),
    "3 by 3": ((2, 9, 10, 4), 3, None, "VALID"),
    "oblong": ((2, 8, 9, 4), (2, 3), (1, 2), "SAME"),
    "1 channel": ((3, 8, 8, 1), 2, None, "VALID"),
    "1 pixel": ((2, 1, 2, 3), 3, 2, "SAME"),
    "the whole image": ((2, 6, 5, 8), (6, 5), None, "VALID"),
    "255 pixels": ((1, 17, 15, 3), (17, 15), None, "VALID"),
    "256 pixels": ((2, 16, 16, 2), (16, 16), None, "VALID"),
    "more than 256 pixels": ((1, 18, 16, 32), (17, 16), 1, "VALID"),
}

# XLA's own operations are called as they are: a few cases show that the options reach them.
BY_IMPLEMENTATION = [
    *((case, "onednn") for case in CASES),
    *((case, "xla") for case in ("2 by 2, rest left over", "3 by 2 SAME, odd", "2 by 3, pixels in no window")),
]


def drawn(shape):
    """Images without two equal pixels in a channel of an image, also in bfloat16; most are below 0."""
    batch, height, width, channels = shape
    rng = np.random.default_rng(0)
    levels = np.arange(height * width) - 220  # bfloat16 has all whole numbers up to 256
    planes = [rng.permutation(levels) for _ in range(batch * channels)]
    return np.reshape(planes, (batch, channels, height, width)).transpose(0, 2, 3, 1) / 16


def both_pairs(window):
    return (window, window) if isinstance(window, int) else window


def arguments_of(case):
    """Images, what femo's functions take, and what Flax's take."""
    shape, window, strides, padding = CASES[case]
    ours = {"window": window, "strides": strides, "padding": padding}
    flaxs = {
        "window_shape": both_pairs(window),
        "strides": both_pairs(window if strides is None else strides),
        "padding": padding,
    }
    return drawn(shape), ours, flaxs


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("case", "implementation"), BY_IMPLEMENTATION, indirect=["implementation"])
def test_max_pool_is_flaxs(case, dtype, implementation, assert_like_reference):
    x, ours, flaxs = arguments_of(case)
    pool = partial(max_pool, **ours, implementation=implementation)
    assert_like_reference(pool, partial(nn.max_pool, **flaxs), [x], dtype)
    x = jnp.asarray(x, dtype)
    np.testing.assert_array_equal(pool(x), nn.max_pool(x, **flaxs))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("case", "implementation"), BY_IMPLEMENTATION, indirect=["implementation"])
def test_avg_pool_is_flaxs_over_pixels_in_the_image(case, dtype, implementation, assert_like_reference):
    x, ours, flaxs = arguments_of(case)
    assert_like_reference(
        partial(avg_pool, **ours, implementation=implementation),
        partial(nn.avg_pool, **flaxs, count_include_pad=False),
        [x],
        dtype,
    )


def gradient(pool, x):
    """Of the sum of all outputs."""
    return np.asarray(jax.jit(jax.grad(lambda x: jnp.sum(pool(x))))(jnp.asarray(x, jnp.float32)))


@pytest.mark.parametrize("options", [{}, {"window": 3, "strides": 2, "padding": "SAME"}])
def test_of_largest_pixels_that_are_equal_one_has_the_gradient(options, implementation):
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 0, 0], x[0, 0, 1], x[0, 3, 2], x[0, 3, 3] = 1.0, 1.0, 2.0, 2.0
    pulled = gradient(partial(max_pool, **options, implementation=implementation), x)[0, :, :, 0]
    assert pulled.sum() == 4.0
    assert pulled[0, 0] == 1.0
    assert pulled[3, 2] >= 1.0
    assert pulled[0, 1] == pulled[3, 3] == 0.0


def test_equal_pixels_after_a_relu_lose_nothing(implementation):
    """Where a window is 0 throughout, some pixel or all of them get what comes from above."""
    pulled = gradient(partial(max_pool, implementation=implementation), np.zeros((2, 6, 6, 3)))
    blocks = pulled.reshape(2, 3, 2, 3, 2, 3).sum(axis=(2, 4))
    np.testing.assert_allclose(blocks, 1.0)


def test_no_gradient_is_lost_under_jit(implementation):
    """XLA may compute a pixel twice, and round differently: then no pixel equals the maximum any more.

    With `x.reshape(...).max((2, 4))` for the maximum of tiles, XLA lost most of this gradient.
    """
    rng = np.random.default_rng(0)
    x, scale, bias = rng.normal(size=(4, 12, 12, 128)), rng.uniform(0.5, 2.0, 128), rng.normal(0.0, 0.3, 128)
    weights = rng.normal(size=(4, 6, 6, 128))
    arrays = tuple(map(jnp.float32, (x, scale, bias)))

    def total(*arrays):
        output = batch_norm(*arrays, relu=True, implementation=implementation)[0]
        return jnp.sum(max_pool(output, implementation=implementation) * weights)

    def reference(*arrays):
        output = nn.relu(batch_norm(*arrays)[0])
        return jnp.sum(nn.max_pool(output, (2, 2), strides=(2, 2)) * weights)

    differentiate = jax.grad(total, (0, 1, 2))
    plain, jitted = differentiate(*arrays), jax.jit(differentiate)(*arrays)
    for got, wanted, by_flax in zip(jitted, plain, jax.grad(reference, (0, 1, 2))(*arrays), strict=True):
        largest = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, atol=1e-4 * largest)
        np.testing.assert_allclose(got, by_flax, atol=1e-4 * largest)


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_float16_is_xlas_alone(pool, onednn):
    x = jnp.zeros((1, 4, 4, 2), jnp.float16)
    assert pool(x).dtype == jnp.float16
    with pytest.raises(TypeError, match="expected float32 or bfloat16, got float16"):
        pool(x, implementation="onednn")


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((4, 4, 3), {}, "expected images [n, h, w, c], got (4, 4, 3)"),
        ((1, 4, 2, 3), {"window": 3}, "a window (3, 3) does not fit into images (1, 4, 2, 3)"),
        ((1, 4, 4, 3), {"padding": "FULL"}, "expected padding SAME or VALID, got 'FULL'"),
        ((1, 4, 4, 3), {"window": 0}, "got 0"),
        ((1, 4, 4, 3), {"strides": (2, -1)}, "got (2, -1)"),
    ],
)
@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_what_does_not_fit_is_refused(pool, shape, options, said, implementation):
    with pytest.raises(ValueError, match=re.escape(said)):
        pool(jnp.zeros(shape), implementation=implementation, **options)
