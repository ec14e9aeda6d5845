import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.models import MiniXception
from femo_jax.models.mini_xception import DepthwiseConv3


@pytest.mark.parametrize("size", [(5, 7), (6, 4), (1, 2)])
def test_depthwise_conv_is_xlas_grouped_convolution(size, implementation):
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))
    model = DepthwiseConv3(ops=implementation)
    variables = model.init(jax.random.key(1), x)

    def reference(kernel, x):
        return jax.lax.conv_general_dilated(
            x, kernel[:, :, None], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=3
        )

    def ours(kernel, x):
        return model.apply({"params": {"kernel": kernel}}, x)

    kernel = variables["params"]["kernel"]
    np.testing.assert_allclose(ours(kernel, x), reference(kernel, x), atol=1e-5)
    cotangent = jax.random.normal(jax.random.key(2), x.shape)
    for got, expected in zip(
        jax.vjp(ours, kernel, x)[1](cotangent), jax.vjp(reference, kernel, x)[1](cotangent), strict=True
    ):
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_depthwise_kernel_keeps_the_variance_before_a_relu():
    kernel = DepthwiseConv3().init(jax.random.key(0), jnp.zeros((1, 4, 4, 2000)))["params"]["kernel"]
    assert np.var(kernel) == pytest.approx(2 / 9, rel=0.05)


def test_size_is_the_authors():
    model = MiniXception()
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 48, 48, 1)), train=False))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 58_423
