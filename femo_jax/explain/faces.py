"""Explanations of the predictions of a trained network: Grad-CAM, LayerCAM and Integrated Gradients together."""

from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.tree_util import Partial

from femo_jax.errors import ConfigError
from femo_jax.explain.grad_cam import grad_cam, layer_cam
from femo_jax.explain.integrated_gradients import integrated_gradients
from femo_jax.explain.layers import Layer, Logits, find_layers
from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model
from femo_jax.onnx_model import OnnxModel
from femo_jax.preprocess import normalize

Baseline = Literal["grey", "black", "white"]
"""What Integrated Gradients takes for nothing to be seen: grey is the mean pixel of the training data."""

STEPS = 64
"""Of Integrated Gradients. With `femonet` the sums miss the differences of the logits by 1.6 %; with 128, by 0.7 %."""

MAX_STEPS = 4096
"""The most steps of Integrated Gradients: the time grows with them, and the error is far below 0.1 % already."""

_LEAST_CELLS = 12


class Explanation(NamedTuple):
    """Why a network gives a face a class its logit.

    Attributes:
      label: the class.
      grad_cam: `[layer height, layer width] float32`, at least 0: where that layer finds what speaks for the class.
      layer_cam: the same of another layer, with a finer map.
      pixels: `[48, 48] float32`, what each pixel adds to the logit, by Integrated Gradients.
      logit: of the face, divided by the model's temperature.
      baseline_logit: of the baseline.
      gap: by how much the sum of `pixels` misses `logit - baseline_logit`.
    """

    label: str
    grad_cam: np.ndarray
    layer_cam: np.ndarray
    pixels: np.ndarray
    logit: float
    baseline_logit: float
    gap: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it, with the sum of the pixels in their place."""
        return {
            "label": self.label,
            "logit": self.logit,
            "baseline_logit": self.baseline_logit,
            "attributed": float(self.pixels.sum()),
            "gap": self.gap,
            "grad_cam": self.grad_cam.tolist(),
            "layer_cam": self.layer_cam.tolist(),
        }


class Explainer:
    """Explains a model's predictions for faces.

    Grad-CAM is taken at the last layer, for which it was made. In networks for 48x48 pixels that is a map of 3x3 cells:
    upper, middle or lower part of a face. LayerCAM, its variant for finer maps, is therefore taken as well, at the last
    layer of at least 12x12 cells, of 4x4 pixels each: half an eye. In `femonet` these are the ends of the fourth and of
    the second of four stages. What came of the alternatives, with `femonet` and 128 images of PublicTest: the mean
    probability of the predicted class, 67 % at first, after that fifth of the pixels was blurred away on which a map is
    highest (low is good), and with that fifth alone left sharp (high is good).

    | map                   | blurred | left alone |
    |-----------------------|---------|------------|
    | Grad-CAM 3x3          |    35 % |       35 % |
    | Grad-CAM 6x6          |    46 % |       24 % |
    | Grad-CAM 12x12        |    50 % |       26 % |
    | LayerCAM 6x6          |    35 % |       38 % |
    | LayerCAM 12x12        |    29 % |       42 % |
    | the middle of a face  |    37 % |       27 % |
    | 6x6 random cells      |    58 % |       24 % |

    Attributes:
      model: the network and what is known of it.
      coarse: the layer at which Grad-CAM is taken.
      fine: the layer at which LayerCAM is taken.
      baseline: of Integrated Gradients.
      steps: of Integrated Gradients.
    """

    def __init__(
        self,
        model: LoadedModel | OnnxModel,
        *,
        layer: int | None = None,
        baseline: Baseline = "grey",
        steps: int = STEPS,
    ) -> None:
        """Looks at a model's layers.

        Args:
          model: the network; one of `femo_jax.weights.load_model`.
          layer: height in cells of the map at which both are taken; the last layer of that height is meant.
          baseline: of Integrated Gradients.
          steps: of Integrated Gradients.

        Raises:
          ConfigError: the network has no such layer, there is no such baseline, or the steps are out of range; or the
            model is an ONNX model, as a recogniser may have.
        """
        if isinstance(model, OnnxModel):
            raise ConfigError(
                f"{model.path}: an ONNX model cannot be explained, which needs gradients. Give the run folder, or the"
                " .safetensors file, that it was exported from; in Python, a model of femo_jax.weights.load_model."
            )
        if baseline not in get_args(Baseline):
            raise ConfigError(f"baseline {baseline!r}: expected one of {', '.join(get_args(Baseline))}.")
        if not 1 <= steps <= MAX_STEPS:
            raise ConfigError(f"{steps:,} steps of Integrated Gradients: expected 1 to {MAX_STEPS:,}.")
        self.model, self.baseline, self.steps = model, baseline, steps
        network = create_model(model.architecture, **model.options)
        variables = jax.tree.map(jnp.asarray, dict(model.variables))
        self._logits: Logits = Partial(partial(_logits, network, model.temperature), variables)
        side = model.image_size
        layers = find_layers(self._logits, jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32))
        self.coarse, self.fine = _choose(layers, layer, model.architecture)
        grey = {"grey": model.mean, "black": 0.0, "white": 1.0}[baseline]
        self._baseline = self._normalized(np.full((side, side), grey, np.float32))

    def __call__(self, face: np.ndarray, label: str) -> Explanation:
        """Explains the logit of a class.

        Args:
          face: `[48, 48] uint8`, grey, as `crop_faces` makes it.
          label: one of the class names of the model.
        """
        target, image = np.int32(self.model.classes.index(label)), self._normalized(face)
        coarse = grad_cam(self._logits, image[None], target, self.coarse)[0]
        fine = layer_cam(self._logits, image[None], target, self.fine)[0]
        attribution = integrated_gradients(self._logits, image, self._baseline, target, self.steps)
        pixels, *numbers = map(np.asarray, attribution)
        return Explanation(label, np.asarray(coarse), np.asarray(fine), pixels, *map(float, numbers))

    def as_dict(self) -> dict[str, Any]:
        """What an explanation depends on beside the face, as JSON has it."""
        return {
            "model": self.model.architecture,
            "grad_cam_layer": list(self.coarse[:3]),
            "layer_cam_layer": list(self.fine[:3]),
            "baseline": self.baseline,
            "steps": self.steps,
        }

    def _normalized(self, face: np.ndarray) -> jax.Array:
        """`[h, w]`, uint8 or float in 0..1 -> `[h, w, 1] float32`."""
        return normalize(jnp.asarray(face)[..., None], self.model.mean, self.model.std)


def _logits(network: nn.Module, temperature: float, variables: Any, images: jax.Array) -> jax.Array:
    return network.apply(variables, images, train=False) / temperature  # pyright: ignore


def _choose(layers: tuple[Layer, ...], height: int | None, architecture: str) -> tuple[Layer, Layer]:
    """The layers of a height, or those for Grad-CAM and for LayerCAM; the largest there is where all are small."""
    if not layers:
        raise ConfigError(
            f"the network {architecture!r} has no map that everything passes through, which Grad-CAM needs."
        )
    if height is None:
        fine = [layer for layer in layers if min(layer.height, layer.width) >= _LEAST_CELLS]
        return layers[-1], fine[-1] if fine else max(layers, key=lambda layer: layer.height)
    for layer in reversed(layers):
        if layer.height == height:
            return layer, layer
    heights = ", ".join(str(layer.height) for layer in layers)
    raise ConfigError(f"the network {architecture!r} has no layer of {height} by {height} cells; there are {heights}.")
