"""`femo soft-labels`: soft labels of a teacher ensemble for the training split, for knowledge distillation."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from femo_jax.cli.arguments import replace_deprecated
from femo_jax.cli.console import wrote
from femo_jax.errors import ConfigError
from femo_jax.evaluate.tta import TTA
from femo_jax.model_file import logits_function
from femo_jax.train.targets import save_soft_labels
from femo_jax.weights import load_model


def run(
    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    data: Annotated[str, tyro.conf.arg(metavar="PATH")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("soft_labels.safetensors"),
    tta: TTA = "flip",
) -> None:
    """Write soft labels, the mean probabilities of one or several networks on the training split.

    Example: femo soft-labels runs/a runs/b --data fer2013.zip -o soft.safetensors

    Args:
      models: Shipped models by name, model files, or run folders, of which the best checkpoints are taken.
      data: FER-2013 in any form, as it is given to `femo train`.
      output: The file, by custom .safetensors.
      tta: Test-time augmentation over which probabilities are averaged.
    """
    from femo_jax.data.load import load_split  # needs OpenCV and TensorFlow
    from femo_jax.evaluate.predict import predict_probabilities

    if not models:
        raise ConfigError("no model: expected `femo soft-labels MODEL [MODEL ...] --data PATH`")
    loaded = [load_model(model) for model in models]
    split = load_split(data, "train")
    each = [predict_probabilities(logits_function(model), split.images, tta=tta) for model in loaded]
    probabilities = np.mean(each, axis=0)
    save_soft_labels(output, split, probabilities, [Path(model).name for model in models])
    accuracy = (probabilities.argmax(axis=1) == split.labels).mean()
    wrote(output, details=f"{len(models)} models, {len(split.labels):,} images, {accuracy:.1%} accuracy")


def main(argv: list[str]) -> int:
    """Runs `femo soft-labels`; returns the exit code."""
    tyro.cli(
        run,
        prog="femo soft-labels",
        args=replace_deprecated(argv, {"--views": "--tta"}, {"--tta": {"one": "none", "ten": "ten_crop"}}),
    )
    return 0
