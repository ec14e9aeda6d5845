"""`femo soft-labels`: what trained networks say of the training pictures, for another network to learn from."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from femo_jax.cli.arguments import replace_deprecated
from femo_jax.evaluate.tta import TTA
from femo_jax.model_file import logits_function
from femo_jax.train.soft_labels import save_soft_labels
from femo_jax.weights import load_model


def run(
    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    data: Annotated[str, tyro.conf.arg(metavar="PATH")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("soft_labels.safetensors"),
    tta: TTA = "flip",
) -> None:
    """Writes the mean probabilities of one or several networks on the training split, for `femo train --soft-labels`.

    Args:
      models: Shipped models by name, model files, or run folders, of which the best checkpoints are taken.
      data: FER-2013 in any form, as it is given to `femo train`.
      output: The file, by custom .safetensors.
      tta: Test-time augmentation over which probabilities are averaged.
    """
    from femo_jax.data.load import load_split  # needs OpenCV and TensorFlow
    from femo_jax.evaluate.predict import predict_probabilities

    loaded = [load_model(model) for model in models]
    split = load_split(data, "train")
    each = [predict_probabilities(logits_function(model), split.images, tta=tta) for model in loaded]
    probabilities = np.mean(each, axis=0)
    save_soft_labels(output, split, probabilities, [Path(model).name for model in models])
    accuracy = (probabilities.argmax(axis=1) == split.labels).mean()
    print(f"Written: {output} ({len(models)} models, {len(split.labels):,} pictures, {accuracy:.1%} as labelled)")


def main(argv: list[str]) -> int:
    """Runs `femo soft-labels`; returns the exit code."""
    tyro.cli(
        run,
        prog="femo soft-labels",
        args=replace_deprecated(argv, {"--views": "--tta"}, {"--tta": {"one": "none", "ten": "ten_crop"}}),
    )
    return 0
