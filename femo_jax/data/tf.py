"""The one place that imports TensorFlow: quiet, on the CPU, and with a hint on how to install it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it announces itself on stderr; no TensorFlow kernel is hot here

from femo_jax.errors import FemoError

try:
    import tensorflow as tf
except ModuleNotFoundError as error:
    raise FemoError("TensorFlow is not installed, which this needs: pip install 'femo-jax[train]'") from error

# The accelerator belongs to JAX; TensorFlow only reads and shuffles images.
tf.config.set_visible_devices([], "GPU")

__all__ = ["tf"]
