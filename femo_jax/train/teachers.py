"""Consistent distillation: teachers that are evaluated in the training step, on the images that the student gets.

Soft labels of a file state what a teacher sees in an image; the student sees it augmented, and perhaps mixed with
another. A teacher that gets the same view states what is in that view, which makes distillation a matching of two
functions and suits long schedules and strong augmentation (Beyer et al. 2021, "Knowledge distillation: A good teacher
is patient and consistent", arXiv:2106.05237).
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from femo_jax.emotions import canonical_name
from femo_jax.errors import ConfigError
from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model
from femo_jax.models.fold import fold_batch_norm
from femo_jax.ops import Choice
from femo_jax.preprocess import IMAGE_SIZE, normalize
from femo_jax.train.config import TrainConfig


def load_teachers(
    config: TrainConfig, load_model: Callable[[str], LoadedModel], class_names: Sequence[str]
) -> tuple[LoadedModel, ...]:
    """The models that `config.teachers` names.

    Args:
      config: of the student.
      load_model: loads a model by name or path, as `femo_jax.weights.load_model` does.
      class_names: of the student.

    Raises:
      ConfigError: a teacher takes images of another size or knows other classes than the student; the message names
        it.
      FemoError: as `load_model`.
    """
    loaded = tuple(load_model(name) for name in config.teachers)
    for name, teacher in zip(config.teachers, loaded, strict=True):
        if teacher.image_size != IMAGE_SIZE:
            raise ConfigError(
                f"teachers: {name} takes images of {teacher.image_size} pixels: expected {IMAGE_SIZE}, the size that"
                " the student is trained with"
            )
        there, here = ({canonical_name(each): each for each in names} for names in (teacher.classes, class_names))
        lacking = [here[each] for each in here if each not in there]
        unknown = [there[each] for each in there if each not in here]
        if lacking or unknown:
            differ = [f"without {', '.join(lacking)}"] if lacking else []
            differ += [f"with {', '.join(unknown)} besides"] if unknown else []
            raise ConfigError(
                f"teachers: {name} has other classes than the data: {' and '.join(differ)}. Expected"
                f" {', '.join(class_names)}, in any order"
            )
    return loaded


def teacher_function(loaded: LoadedModel, class_names: Sequence[str], choice: Choice) -> Partial:
    """A teacher as a pure function that a jitted step takes as an argument.

    BatchNorm is that of evaluation, and folded.

    Args:
      loaded: one of `load_teachers`.
      class_names: of the student.
      choice: kernel backend and compute dtype, those of the student.

    Returns:
      A function of images `[b, 48, 48, 1] float32` in 0..1 that gives logits `[b, c] float32` in the order of
      `class_names`, divided by the temperature of the model file. It is a pytree with the weights as leaves.
    """
    network = create_model(loaded.architecture, ops=choice.implementation, **loaded.options)
    if choice.dtype != "float32":
        network = network.clone(dtype=jnp.dtype(choice.dtype))
    example = jax.ShapeDtypeStruct((1, IMAGE_SIZE, IMAGE_SIZE, 1), jnp.float32)
    there = [canonical_name(each) for each in loaded.classes]
    order = np.array([there.index(canonical_name(each)) for each in class_names])
    logits = partial(_logits, loaded.mean, loaded.std, loaded.temperature, order)
    return Partial(logits, fold_batch_norm(network, loaded.variables, example))


def _logits(
    mean: float, std: float, temperature: float, order: np.ndarray, network: Partial, images: jax.Array
) -> jax.Array:
    return network(normalize(images, mean, std))[:, order].astype(jnp.float32) / temperature


def teacher_probabilities(
    teachers: Sequence[Callable[[jax.Array], jax.Array]], images: jax.Array, temperature: float
) -> jax.Array:
    """The mean of the teachers' probabilities, each softened by a temperature (Hinton et al. 2015, arXiv:1503.02531).

    Args:
      teachers: of `teacher_function`, at least one.
      images: `[b, 48, 48, 1] float32` in 0..1.
      temperature: divisor of the logits.

    Returns:
      `[b, c] float32`, rows that sum to 1.
    """
    each = [jax.nn.softmax(teacher(images) / temperature) for teacher in teachers]
    return jnp.mean(jnp.stack(each), axis=0)
