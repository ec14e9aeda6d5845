"""Evaluation of one model on one split, from paths to a report."""

import os
from pathlib import Path
from typing import Any

from femo_jax.data.prepare import load_split
from femo_jax.data.splits import SPLITS
from femo_jax.errors import ConfigError
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.evaluate.views import views_function
from femo_jax.model_file import LoadedModel, load_model_file, logits_function


def load_model(path: str | os.PathLike[str]) -> LoadedModel:
    """A model of a file of `femo export`, or the best checkpoint of a workdir.

    Raises:
      ModelFileError: the file is missing, damaged or of another femo.
      CheckpointError: the workdir holds no usable checkpoint.
    """
    if not Path(path).is_dir():
        return load_model_file(path)
    from femo_jax.train.checkpoints import load_for_inference  # a model file needs no orbax

    return load_for_inference(Path(path))


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "validation",
    views: str = "one",
    *,
    batch_size: int = 256,
    figure: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Evaluates a model on a split; each picture counts exactly once.

    Args:
      model: a workdir, whose best checkpoint is taken, or a model file.
      data: FER-2013 in any form that `femo_jax.data.prepare.load_split` takes.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      views: a name of `femo_jax.evaluate.views.views_function`.
      batch_size: pictures computed at a time.
      figure: where to draw confusion and reliability, or None.

    Returns:
      `femo_jax.evaluate.metrics.report` with the keys `architecture`, `split` and `views` added.

    Raises:
      FemoError: the model, the data, the split, the views or the figure's format are not what they should be.
    """
    # Wrong words are told before minutes of work, not after.
    views_function(views)
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    if figure is not None:
        from femo_jax import plots  # matplotlib only where a figure is drawn

        plots.check_format(figure)
    loaded = load_model(model)
    pictures = load_split(data, split)
    probabilities = predict_probabilities(logits_function(loaded), pictures.images, batch_size, views)
    if figure is not None:
        title = f"{loaded.architecture} on {split}, views: {views}"
        plots.plot_evaluation(probabilities, pictures.labels, figure, title)
    return {
        **report(probabilities, pictures.labels),
        "architecture": loaded.architecture,
        "split": split,
        "views": views,
    }
