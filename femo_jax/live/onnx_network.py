"""An exported ONNX model without JAX: on ONNX Runtime, or on OpenCV where that is not installed."""

import threading
from collections.abc import Callable

import cv2
import numpy as np

from femo_jax.errors import ModelFileError
from femo_jax.onnx_model import OnnxModel
from femo_jax.preprocess import normalize
from femo_jax.runtime import onnx_runtime

_LARGEST_BATCH = 16  # faces at once, which bounds the memory


class OnnxNetwork:
    """Calibrated probabilities of faces.

    Attributes:
      runtime: `onnxruntime` or `opencv`.
    """

    def __init__(self, model: OnnxModel, runtime: str | None = None) -> None:
        """Loads a model into the runtime and runs it once.

        Args:
          model: the model.
          runtime: what runs it, see `femo_jax.runtime`.

        Raises:
          ModelFileError: the runtime cannot run it, or it does not give a probability for each of its classes.
          ConfigError: that does not run ONNX models, or is not installed.
        """
        self.runtime = onnx_runtime(runtime)
        self._model = model
        try:
            self._run = {"onnxruntime": _on_onnxruntime, "opencv": _on_opencv}[self.runtime](model)
            given = self._run(self._pixels(np.zeros((1, model.image_size, model.image_size), np.uint8)))
        except Exception as error:  # of a C++ library, each with classes of its own
            text = " ".join(str(error).split())[:300]
            raise ModelFileError(
                f"{model.path}: {self.runtime} cannot run this model on images of {model.image_size} pixels ({text})."
                f"{_remedy(model, self.runtime)}"
            ) from error
        if given.shape != (1, len(model.classes)):
            raise ModelFileError(
                f"{model.path}: the network gives an output {list(given.shape)} for one image; expected"
                f" [1, {len(model.classes)}], a probability for each of the classes {', '.join(model.classes)}. Export"
                " the model again."
            )

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """`[n, h, w] uint8` -> `[n, classes] float32`; n may be 0."""
        pixels = self._pixels(faces)
        results = [self._run(pixels[start : start + _LARGEST_BATCH]) for start in range(0, len(pixels), _LARGEST_BATCH)]
        return np.concatenate([np.zeros((0, len(self._model.classes)), np.float32), *results])

    def compile(self) -> None:
        """Does nothing: these runtimes take any number of faces."""

    def _pixels(self, faces: np.ndarray) -> np.ndarray:
        """The faces as the graph takes them."""
        if self._model.input == "uint8":
            return faces
        return normalize(faces, self._model.mean, self._model.std)


def _remedy(model: OnnxModel, runtime: str) -> str:
    if runtime == "opencv" and model.quantized:
        return " OpenCV runs no quantised models: pip install onnxruntime."
    return " Export the model again, or install a newer version of the runtime."


def _on_onnxruntime(model: OnnxModel) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime  # slow to import

    onnxruntime.set_default_logger_severity(3)  # its warnings are about devices that are not there
    options = onnxruntime.SessionOptions()
    # Threads that spin between two calls take a core from detection, and from all else on a robot.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model.contents, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: np.asarray(session.run(None, {name: pixels})[0])


def _on_opencv(model: OnnxModel) -> Callable[[np.ndarray], np.ndarray]:
    network, lock = cv2.dnn.readNetFromONNX(np.frombuffer(model.contents, np.uint8)), threading.Lock()

    def run(pixels: np.ndarray) -> np.ndarray:
        with lock:  # a network holds its input
            # Up to OpenCV 4.6 the last of three axes would be taken for channels.
            network.setInput(pixels[..., np.newaxis].astype(np.float32))
            return network.forward().copy()

    return run
