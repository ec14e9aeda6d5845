"""Faces that are cropped upright by the eyes, compared with faces that are cropped as they are.

    python -m tools.wild_roll wild.zip results/wild_roll.json --yunet yunet.onnx

The zip is that of `tools/wild.py`. Each image is turned by some angles about its middle; in each the largest face
counts (YuNet), and both crops of it are classified by the shipped models with the prior of everyday images. The change
in accuracy has a bootstrap interval over persons.
"""

from typing import Any

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.live.config import DetectorConfig
from femo_jax.model_file import logits_function
from femo_jax.prior import EVERYDAY, FER2013_PRIOR, corrected, prior_weights
from femo_jax.weights import load_model
from tools.wild import MODELS, read_arguments, read_faces, result
from tools.wild_neutral import difference_interval

DEGREES = (0, 20, -20, 35, -35)
"""By how much images are turned, counter-clockwise."""

CROPS = ("as it is", "upright")


def compared(model: str, faces: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    """The metrics of `tools/wild.py` of both crops, and the interval of the change in accuracy of the found faces.

    Args:
      model: name of a shipped model.
      faces: what `read_faces` gives, by the way of cropping.
    """
    network, weights = logits_function(load_model(model)), prior_weights(EVERYDAY, EMOTIONS, FER2013_PRIOR)
    row: dict[str, Any] = {"model": model}
    right = []
    for name in CROPS:
        probabilities = corrected(predict_probabilities(network, faces[name]["images"]), weights)
        row[name] = result(probabilities, faces[name])
        right.append(probabilities.argmax(1) == faces[name]["labels"])
    return row | {"change_interval": difference_interval(*right, faces["upright"]["persons"])}


def main() -> None:
    """Compares both crops at each angle."""
    arguments = read_arguments(__doc__)
    config = DetectorConfig(kind="yunet", model=arguments.yunet)
    rows = []
    for degrees in DEGREES:
        faces = {name: read_faces(arguments.data, config, degrees, upright=name == "upright") for name in CROPS}
        rows += [{"degrees": degrees, **compared(model, faces)} for model in MODELS]
    write_json(arguments.results, rows)


if __name__ == "__main__":
    main()
