"""TensorFlow Datasets, with a quiet TensorFlow, without progress bars and without a look at the network."""

from femo_jax.data.tf import tf  # isort: skip  # noqa: F401  # before TFDS imports TensorFlow its own way
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import gcs_utils

tfds.disable_progress_bar()
# Releases differ in whether TFDS asks its bucket for a ready-made copy. There is none of FER-2013.
gcs_utils._is_gcs_disabled = True

__all__ = ["tfds"]
