"""LiteRT (TensorFlow Lite), for phones and microcontrollers: by StableHLO and TensorFlow's own converter.

The network goes to TensorFlow as jax2tf would hand it over, but in a version of StableHLO that TensorFlow reads: that
of a new JAX is newer than the newest TensorFlow's. TensorFlow comes with femo's extra `train`. The file runs in any
LiteRT interpreter, for example that of the package `ai-edge-litert`.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import jax
from jax import export

from femo_jax.errors import FemoError
from femo_jax.export.network import Input, logits_of_faces
from femo_jax.files import replacing
from femo_jax.model_file import LoadedModel

STABLEHLO_VERSION = "1.9.0"
"""An old one that TensorFlow 2.21 reads; StableHLO guarantees that later ones do, too."""


def save_litert(path: Path, loaded: LoadedModel, *, faces_as: Input = "uint8") -> int:
    """Write a network as a LiteRT model with the input `faces` and a batch that can be resized.

    Args:
      path: of the file, usually with the suffix `.tflite`.
      loaded: the model.
      faces_as: dtype of the input, see `femo_jax.export.network.Input`.

    Returns:
      The size of the file in bytes.

    Raises:
      FemoError: the installed JAX or TensorFlow lacks the converter, or they do not fit each other; or the file cannot
        be written.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of both, about parts that are not used here
            import tensorflow as tf
            from jaxlib.mlir.dialects import stablehlo
            from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_call_module

            converter_class = tf.lite.TFLiteConverter
            to_text, to_bytes = (
                stablehlo.deserialize_portable_artifact_str,
                stablehlo.serialize_portable_artifact_str,
            )
    except (ImportError, AttributeError) as error:
        raise FemoError(
            "LiteRT needs tf.lite.TFLiteConverter and the StableHLO of jaxlib, which are not installed here"
            f" ({error}). pip install 'femo-jax[train]' with Python 3.11 has both."
        ) from error
    logits, side = logits_of_faces(loaded, faces_as), loaded.image_size
    (count,) = export.symbolic_shape("n")
    faces = jax.ShapeDtypeStruct((count, side, side), faces_as)
    exported = export.export(jax.jit(lambda faces: jax.nn.softmax(logits(faces))), platforms=["cpu"])(faces)
    module = to_bytes(to_text(exported.mlir_module_serialized), STABLEHLO_VERSION)

    call: Any = xla_call_module  # its annotations are not those of what it takes

    def probabilities(faces):
        (given,) = call(
            args=[faces],
            version=exported.calling_convention_version,
            module=module,
            Sout=[tf.TensorShape([None, len(loaded.classes)])],
            Tout=[tf.float32],
            platforms=["CPU"],
            dim_args_spec=[],
            function_list=[],
            has_token_input_output=False,
            disabled_checks=[],
        )
        return given

    specification = tf.TensorSpec([None, side, side], faces_as, name="faces")
    function = tf.function(probabilities, input_signature=[specification], autograph=False)
    converter = converter_class.from_concrete_functions([function.get_concrete_function()], function)
    try:
        contents = converter.convert()
    except Exception as error:  # TensorFlow keeps its class to itself
        raise FemoError(
            f"TensorFlow {tf.__version__} cannot convert what JAX {jax.__version__} writes"
            f" ({' '.join(str(error).split())[:200]}). With Python 3.11, pip install 'femo-jax[train]' takes versions"
            " that fit."
        ) from error
    with replacing(path) as beside:
        beside.write_bytes(contents)
    return len(contents)
