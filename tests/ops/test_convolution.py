import re
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from femo_jax.ops import conv2d

CASES = {
    # name: images, kernel, options
    "3x3": ((2, 8, 8, 16), (3, 3, 16, 32), {}),
    "1x1": ((2, 5, 7, 6), (1, 1, 6, 10), {}),
    "5x5": ((2, 9, 6, 3), (5, 5, 3, 8), {}),
    "3x3 VALID": ((2, 8, 9, 4), (3, 3, 4, 8), {"padding": "VALID"}),
    "3x3 by 2": ((2, 8, 8, 8), (3, 3, 8, 16), {"strides": 2}),
    "3x3 by 2, odd": ((2, 7, 9, 8), (3, 3, 8, 16), {"strides": 2}),
    "3x3 by 2 VALID, rest left over": ((2, 8, 10, 8), (3, 3, 8, 16), {"strides": 2, "padding": "VALID"}),
    "1x1 by 2": ((2, 7, 8, 8), (1, 1, 8, 16), {"strides": 2}),
    "5x5 by 2": ((1, 11, 8, 4), (5, 5, 4, 7), {"strides": 2}),
    "5x5 by 2 VALID": ((1, 11, 8, 4), (5, 5, 4, 7), {"strides": 2, "padding": "VALID"}),
    "1 channel": ((3, 48, 48, 1), (3, 3, 1, 8), {}),
    "1 channel to 1": ((1, 6, 5, 1), (3, 3, 1, 1), {}),
    "odd channels": ((3, 5, 5, 7), (3, 3, 7, 13), {}),
    "1 image of 1 pixel": ((1, 1, 1, 4), (3, 3, 4, 4), {}),
    "kernel as large as the image": ((2, 3, 3, 4), (3, 3, 4, 4), {"padding": "VALID"}),
    "oblong": ((2, 9, 8, 4), (1, 3, 4, 6), {"strides": (2, 1)}),
    "groups": ((2, 6, 7, 8), (3, 3, 4, 6), {"groups": 2}),
    "groups of odd channels, by 2": ((2, 7, 7, 9), (3, 3, 3, 6), {"groups": 3, "strides": 2}),
    "depthwise": ((2, 6, 7, 16), (3, 3, 1, 16), {"groups": 16}),
    "depthwise, odd": ((2, 7, 5, 11), (3, 3, 1, 11), {"groups": 11}),
    "depthwise by 2": ((2, 7, 8, 16), (3, 3, 1, 16), {"groups": 16, "strides": 2}),
    "depthwise, twice as many": ((2, 6, 6, 4), (3, 3, 1, 8), {"groups": 4}),
    "first of femonet": ((4, 24, 24, 4), (3, 3, 4, 48), {}),
    "Winograd, 4x4 a tile, in three blocks": ((20, 24, 24, 48), (3, 3, 48, 48), {}),
    "Winograd, 3x3 a tile": ((5, 6, 6, 96), (3, 3, 96, 64), {}),
    "Winograd, one tile": ((7, 3, 3, 40), (3, 3, 40, 200), {}),
    "Winograd, odd channels and images": ((3, 7, 10, 17), (3, 3, 17, 29), {}),
    "Winograd VALID": ((2, 13, 8, 24), (3, 3, 24, 16), {"padding": "VALID"}),
    "Winograd, 1 pixel": ((2, 1, 1, 16), (3, 3, 16, 16), {}),
}

# XLA's own operations are called as they are: a few cases show that the options reach them.
BY_IMPLEMENTATION = [
    *((case, "onednn") for case in CASES),
    *((case, "xla") for case in ("5x5 by 2 VALID", "1 channel", "oblong", "groups of odd channels, by 2", "depthwise")),
]


def drawn(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


def by_xla(x, kernel, bias=None, *, strides=1, padding="SAME", groups=1):
    steps = (strides, strides) if isinstance(strides, int) else strides
    output = lax.conv_general_dilated(
        x,
        kernel,
        steps,
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision="highest",
    )
    return output if bias is None else output + bias


@pytest.mark.parametrize(("case", "implementation"), BY_IMPLEMENTATION, indirect=["implementation"])
def test_is_xlas_convolution(case, implementation, assert_like_reference):
    images, kernel, options = CASES[case]
    assert_like_reference(
        partial(conv2d, implementation=implementation, **options),
        partial(by_xla, **options),
        drawn(images, kernel),
        "float32",
    )


@pytest.mark.parametrize("dtype", ["bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_bfloat16_with_float32_weights_by_onednn(case, dtype, onednn, assert_like_reference):
    images, kernel, options = CASES[case]
    assert_like_reference(
        partial(conv2d, implementation="onednn", **options),
        partial(by_xla, **options),
        drawn(images, kernel),
        dtype,
        float32=[1],
    )


@pytest.mark.parametrize("case", ["3x3", "5x5 by 2", "groups"])
def test_bfloat16_with_float32_weights_by_xla(case, assert_like_reference):
    images, kernel, options = CASES[case]
    assert_like_reference(
        partial(conv2d, implementation="xla", **options),
        partial(by_xla, **options),
        drawn(images, kernel),
        "bfloat16",
        float32=[1],
    )


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("Winograd")])
def test_winograd_is_taken_unless_it_is_forbidden(case, onednn, monkeypatch):
    """It rounds a little more than the plain sum, and so is not the same to the last bit."""
    flags = Path("/proc/cpuinfo").read_text().split()
    if not {"avx2", "fma"} <= set(flags):
        pytest.skip("this processor lacks AVX2 or FMA")
    images, kernel, options = CASES[case]
    x, kernel = map(jnp.float32, drawn(images, kernel))

    def passes():
        output, pull = jax.vjp(partial(conv2d, implementation="onednn", **options), x, kernel)
        return [np.asarray(each) for each in (output, *pull(jnp.cos(output)))]

    taken = passes()
    monkeypatch.setenv("FEMO_WINOGRAD", "0")
    for winograd, plain in zip(taken, passes(), strict=True):
        assert (winograd != plain).any()
        np.testing.assert_allclose(winograd, plain, atol=1e-4 * np.abs(plain).max())


# XLA sums the gradient of a bfloat16 bias in bfloat16, which is less exact than the tolerance.
@pytest.mark.parametrize(
    ("implementation", "dtype"),
    [("xla", "float32"), ("onednn", "float32"), ("onednn", "bfloat16")],
    indirect=["implementation"],
)
@pytest.mark.parametrize("case", ["3x3", "5x5 by 2", "groups", "depthwise"])
@pytest.mark.parametrize("relu", [False, True])
def test_bias_and_relu(case, relu, dtype, implementation, assert_like_reference):
    images, kernel, options = CASES[case]
    assert_like_reference(
        partial(conv2d, implementation=implementation, relu=relu, **options),
        partial(by_xla, **options),
        drawn(images, kernel, kernel[3:]),
        dtype,
        float32=[1, 2],
        relu=relu,
    )


def test_relu_without_a_bias(implementation, assert_like_reference):
    operation = partial(conv2d, implementation=implementation, relu=True)
    assert_like_reference(operation, by_xla, drawn((2, 6, 6, 3), (3, 3, 3, 8)), "float32", relu=True)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [1, 2])
def test_is_flaxs_layer(strides, padding, implementation):
    x, kernel, bias = map(jnp.float32, drawn((2, 9, 8, 4), (3, 3, 2, 6), (6,)))
    layer = nn.Conv(6, (3, 3), strides=strides, padding=padding, feature_group_count=2)
    expected = layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)
    output = conv2d(x, kernel, bias, strides=strides, padding=padding, groups=2, implementation=implementation)
    np.testing.assert_allclose(output, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_weights_and_bias_may_be_of_the_images_dtype(dtype, implementation):
    x, kernel, bias = (jnp.asarray(array, dtype) for array in drawn((2, 6, 6, 4), (3, 3, 4, 8), (8,)))

    def total(*arrays):
        return jnp.sum(conv2d(*arrays, implementation=implementation).astype(jnp.float32))

    gradients = jax.jit(jax.grad(total, (0, 1, 2)))(x, kernel, bias)
    assert [gradient.dtype for gradient in gradients] == [dtype] * 3
    assert float(gradients[2][0]) == 2 * 6 * 6


def test_float16_is_xlas_alone(onednn):
    x, kernel = (jnp.asarray(array, jnp.float16) for array in drawn((1, 4, 4, 2), (3, 3, 2, 2)))
    assert conv2d(x, kernel).dtype == jnp.float16
    with pytest.raises(TypeError, match="expected float32 or bfloat16, got float16"):
        conv2d(x, kernel, implementation="onednn")


@pytest.mark.parametrize(
    ("shapes", "options", "said"),
    [
        (((4, 4, 3), (3, 3, 3, 8)), {}, "does not fit images (4, 4, 3)"),
        (((1, 4, 4, 3), (3, 3, 8)), {}, "a kernel (3, 3, 8)"),
        (((1, 4, 4, 3), (3, 3, 4, 8)), {}, "a kernel (3, 3, 4, 8) in 1 groups does not fit images (1, 4, 4, 3)"),
        (((1, 4, 4, 6), (3, 3, 2, 8)), {"groups": 3}, "a kernel (3, 3, 2, 8) in 3 groups"),
        (((1, 4, 4, 3), (3, 3, 3, 8), (3,)), {}, "expected a bias (8,), got (3,)"),
        (((1, 4, 4, 3), (3, 3, 3, 8)), {"padding": "CIRCULAR"}, "expected padding SAME or VALID, got 'CIRCULAR'"),
        (((1, 4, 4, 3), (3, 3, 3, 8)), {"strides": 0}, "got 0"),
        (((1, 4, 4, 3), (3, 3, 3, 8)), {"strides": (1, 2, 3)}, "got (1, 2, 3)"),
        (((1, 4, 2, 3), (3, 3, 3, 8)), {"padding": "VALID"}, "a kernel (3, 3, 3, 8) does not fit into images"),
        (((1, 0, 4, 3), (3, 3, 3, 8)), {}, "does not fit into images (1, 0, 4, 3)"),
    ],
)
def test_what_does_not_fit_is_refused(shapes, options, said, implementation):
    with pytest.raises(ValueError, match=re.escape(said)):
        conv2d(*map(jnp.zeros, shapes), implementation=implementation, **options)
