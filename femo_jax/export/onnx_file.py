"""Writing an ONNX model: graph, metadata, and the check that the file gives what the network gives."""

from pathlib import Path

import jax
import numpy as np
import onnx

from femo_jax import __version__
from femo_jax.errors import ModelFileError
from femo_jax.export.network import Input, example_faces, faces_of_any_number, logits_of_faces
from femo_jax.export.onnx_graph import INPUT, onnx_graph
from femo_jax.files import replacing
from femo_jax.model_file import LoadedModel
from femo_jax.onnx_model import OnnxModel, load_onnx_model, metadata_of

TOLERANCE = 1e-4
"""Largest difference of a log-probability between the written file, on ONNX Runtime, and the network, on JAX."""


def onnx_model(loaded: LoadedModel, *, faces_as: Input = "uint8") -> onnx.ModelProto:
    """Make the ONNX model of a network, without metadata.

    Raises:
      ModelFileError: the network uses an operation that is not covered; the message names it.
    """
    return onnx_graph(logits_of_faces(loaded, faces_as), faces_of_any_number(loaded, faces_as))


def save_onnx_model(
    path: Path,
    loaded: LoadedModel,
    model: onnx.ModelProto,
    *,
    faces_as: Input = "uint8",
    quantized: bool = False,
    card: str = "",
) -> int:
    """Write an ONNX model with its metadata, as a whole or not at all; it is run before it takes its place.

    Args:
      path: of the file, usually with the suffix `.onnx`.
      loaded: the network that it was made of.
      model: of `onnx_model`, or quantised from that.
      faces_as: dtype of its input.
      quantized: whether it is quantised; its results may then differ from the network's.
      card: the model's card, Markdown.

    Returns:
      The size of the file in bytes.

    Raises:
      ModelFileError: the file gives other probabilities than the network.
      FemoError: the file cannot be written.
    """
    metadata = metadata_of(
        OnnxModel(
            path=path,
            contents=b"",
            architecture=loaded.architecture,
            options=loaded.options,
            input=faces_as,
            image_size=loaded.image_size,
            classes=loaded.classes,
            mean=loaded.mean,
            std=loaded.std,
            temperature=loaded.temperature,
            quantized=quantized,
            training=loaded.training,
            version=__version__,
            card=card,
        ),
        model.graph.SerializeToString(deterministic=True),
    )
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    contents = model.SerializeToString(deterministic=True)
    with replacing(path) as beside:
        beside.write_bytes(contents)
        load_onnx_model(beside)
        if not quantized:
            _check_results(path, loaded, contents, faces_as)
    return len(contents)


def _check_results(path: Path, loaded: LoadedModel, contents: bytes, faces_as: Input) -> None:
    import onnxruntime  # slow to import

    faces = example_faces(loaded, faces_as)
    expected = np.asarray(jax.nn.log_softmax(jax.jit(logits_of_faces(loaded, faces_as))(faces)))
    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    probabilities = np.asarray(session.run(None, {INPUT: faces})[0])
    # Below the smallest float32 a probability is 0, and its logarithm has nothing to compare.
    sure = expected > np.log(np.finfo(np.float32).tiny)
    difference = np.abs(np.log(probabilities[sure]) - expected[sure]).max()
    scale = max(1.0, float(np.abs(expected).max()))
    if not difference <= TOLERANCE * scale:
        raise ModelFileError(
            f"{path}: not written: its log-probabilities differ by up to {difference:.2g} from those of the network"
            f" {loaded.architecture!r}; at most {TOLERANCE * scale:.2g} was expected. Please report this."
        )
