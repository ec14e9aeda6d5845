"""`femo soft-labels`: soft labels of a teacher ensemble for the training split, for knowledge distillation."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from femo_jax.cli.arguments import Data, Models, check_outputs, replace_deprecated
from femo_jax.cli.console import as_file, counted, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.evaluate.tta import TTA
from femo_jax.model_file import logits_function
from femo_jax.train.targets import save_soft_labels
from femo_jax.weights import load_model


def run(
    models: Models,
    data: Data,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("soft_labels.safetensors"),
    tta: TTA = "flip",
) -> None:
    """Write soft labels: the mean probabilities of one or several models on the training split.

    Example: femo soft-labels runs/a runs/b --data fer2013.zip -o soft.safetensors

    Args:
      models: See `femo_jax.cli.arguments.Models`.
      data: See `femo_jax.cli.arguments.Data`.
      output: File to write (.safetensors); - is standard output.
      tta: Test-time augmentation over which probabilities are averaged.
    """
    from femo_jax.data.load import load_split  # needs OpenCV
    from femo_jax.evaluate.predict import predict_probabilities

    if not models:
        raise ConfigError("no model: expected `femo soft-labels MODEL [MODEL ...] --data DATA`")
    for model in models:
        check_outputs({"--output": output}, model=model, data=data)
    loaded = [load_model(model) for model in models]
    split = load_split(data, "train")
    for name, model in zip(models, loaded, strict=True):
        if model.classes != split.class_names:
            raise ConfigError(
                f"{name}: has the classes {', '.join(model.classes)}; expected those of the data in their order,"
                f" {', '.join(split.class_names)}"
            )
    each = [predict_probabilities(logits_function(model), split.images, tta=tta) for model in loaded]
    probabilities = np.mean(each, axis=0)
    save_soft_labels(as_file(output), split, probabilities, [Path(model).name for model in models])
    accuracy = (probabilities.argmax(axis=1) == split.labels).mean()
    wrote(
        output,
        details=f"{counted(len(models), 'model')}, {counted(len(split.labels), 'image')}, {accuracy:.1%} accuracy",
    )


def main(argv: list[str]) -> int:
    """Runs `femo soft-labels`; returns the exit code."""
    options, values = {"--views": "--tta"}, {"--tta": {"one": "none", "ten": "ten_crop"}}
    parse(run, "femo soft-labels", replace_deprecated(argv, options, values))
    return 0
