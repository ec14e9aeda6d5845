"""LiteRT (TensorFlow Lite), for phones and microcontrollers: by jax2tf and TensorFlow's own converter.

Both come with femo's extra `train` where TensorFlow and JAX still have them. The file runs in any LiteRT interpreter,
for example that of the package `ai-edge-litert`.
"""

import os
import warnings
from pathlib import Path

import jax

from femo_jax.errors import FemoError
from femo_jax.export.network import Input, logits_of_faces
from femo_jax.files import replacing
from femo_jax.model_file import LoadedModel


def save_litert(path: Path, loaded: LoadedModel, *, faces_as: Input = "uint8") -> int:
    """Write a network as a LiteRT model with the input `faces` and a batch that can be resized.

    Args:
      path: of the file, usually with the suffix `.tflite`.
      loaded: the model.
      faces_as: dtype of the input, see `femo_jax.export.network.Input`.

    Returns:
      The size of the file in bytes.

    Raises:
      FemoError: the installed JAX or TensorFlow lacks the converter; or the file cannot be written.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of both, about parts that are not used here
            import tensorflow as tf
            from jax.experimental import jax2tf

            converter_class = tf.lite.TFLiteConverter
    except (ImportError, AttributeError) as error:
        raise FemoError(
            f"LiteRT needs jax.experimental.jax2tf and tf.lite.TFLiteConverter, which are not installed here ({error})."
            " pip install 'femo-jax[train]' with Python 3.11 has both."
        ) from error
    logits = logits_of_faces(loaded, faces_as)
    side = loaded.image_size
    convert = jax2tf.convert(lambda faces: jax.nn.softmax(logits(faces)), polymorphic_shapes=[f"(n, {side}, {side})"])
    specification = tf.TensorSpec([None, side, side], faces_as, name="faces")
    function = tf.function(convert, input_signature=[specification], autograph=False)
    converter = converter_class.from_concrete_functions([function.get_concrete_function()], function)
    contents = converter.convert()
    with replacing(path) as beside:
        beside.write_bytes(contents)
    return len(contents)
