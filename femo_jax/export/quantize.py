"""8-bit integers for weights and activations, by the static quantisation of ONNX Runtime."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from femo_jax.data.load import class_names, load_split
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError, DataError
from femo_jax.export.network import Input, faces_of
from femo_jax.export.onnx_graph import INPUT
from femo_jax.model_file import LoadedModel

CALIBRATION_IMAGES = 512
"""How many images the ranges of the activations are taken from."""

_BATCH = 64


class Loss(NamedTuple):
    """What quantisation costs, on one split.

    Attributes:
      before: accuracy of the float32 graph, in 0..1.
      after: accuracy of the quantised one.
      n: number of images.
    """

    before: float
    after: float
    n: int


def quantize(model: onnx.ModelProto, faces: np.ndarray) -> onnx.ModelProto:
    """Quantise a graph; ranges of the activations are taken from given faces.

    Convolutions and dense layers compute with integers of 7 bits for weights, one scale for each output channel, and
    for activations (Jacob et al. 2018, https://arxiv.org/abs/1712.05877); the rest stays as it is.

    Args:
      model: a graph of `femo_jax.export.onnx_file.onnx_model`.
      faces: `[n, h, w]` in the dtype of its input.

    Raises:
      DataError: there are no faces.
    """
    from onnxruntime import quantization  # slow to import
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not len(faces):
        raise DataError("quantisation needs images from which it takes the ranges of the activations; there are none.")

    class Faces(quantization.CalibrationDataReader):
        """The faces, in batches."""

        def __init__(self) -> None:
            batch = min(_BATCH, len(faces))
            whole = len(faces) // batch * batch  # percentiles are taken over batches of one size
            self._batches = iter(np.split(faces[:whole], whole // batch))

        def get_next(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            """The next batch by the input's name; None at the end."""
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory(prefix="femo-") as folder:
        whole, prepared, quantized = (str(Path(folder) / f"{step}.onnx") for step in ("whole", "prepared", "quantized"))
        onnx.save(model, whole)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        with contextlib.redirect_stdout(None):  # on which the calibration reports each of its steps
            quantization.quantize_static(
                prepared,
                quantized,
                Faces(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Add", "Relu", "MaxPool"],
                calibrate_method=quantization.CalibrationMethod.Percentile,
                per_channel=True,
                # With 8 bits, sums of products overflow on x86-64 processors without VNNI instructions.
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"QDQDisableWeightAdjustForInt32Bias": True},  # it fails on dense layers, in 1.32
            )
        return onnx.load(quantized)


def quantize_on(
    model: onnx.ModelProto, loaded: LoadedModel, data: str | os.PathLike[str], *, faces_as: Input = "uint8"
) -> tuple[onnx.ModelProto, Loss]:
    """Quantise a graph on the training split of a data set, and measure on its validation split what that costs.

    Args:
      model: a graph of `femo_jax.export.onnx_file.onnx_model`.
      loaded: the network that it was made of.
      data: as `femo_jax.data.load.load_split` takes it.
      faces_as: dtype of the graph's input.

    Raises:
      ConfigError: the data have other classes than the model.
      DataError: the data cannot be read, or lack one of the splits.
    """
    names = class_names(data)
    if names != loaded.classes:
        raise ConfigError(
            f"{data}: has the classes {', '.join(names)}, and the model {', '.join(loaded.classes)}:"
            " expected the same in the same order"
        )
    train, validation = load_split(data, "train"), load_split(data, "validation")
    chosen = np.random.default_rng(0).permutation(len(train.images))[:CALIBRATION_IMAGES]
    quantized = quantize(model, faces_of(train.images[np.sort(chosen)], loaded, faces_as))
    return quantized, accuracy_lost(model, quantized, validation, faces_of(validation.images, loaded, faces_as))


def accuracy_lost(before: onnx.ModelProto, after: onnx.ModelProto, split: Split, faces: np.ndarray) -> Loss:
    """Compare a graph and its quantised form on labelled faces.

    Args:
      before: the graph.
      after: the quantised graph.
      split: labels.
      faces: the split's images as the graphs take them.
    """
    right = [float(np.mean(_labels(model, faces) == split.labels)) for model in (before, after)]
    return Loss(right[0], right[1], len(faces))


def _labels(model: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    import onnxruntime  # slow to import

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    batches = np.split(faces, range(_BATCH, len(faces), _BATCH))
    return np.concatenate([np.asarray(session.run(None, {INPUT: batch})[0]).argmax(axis=1) for batch in batches])
