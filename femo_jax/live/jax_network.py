"""A network of femo's own model files, compiled by JAX for a few batch sizes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from femo_jax.live.compile_cache import persistent_cache
from femo_jax.model_file import LoadedModel, class_probabilities
from femo_jax.models import create_model
from femo_jax.models.fold import fold_batch_norm
from femo_jax.preprocess import normalize


class JaxNetwork:
    """Calibrated probabilities of faces; compiled when it is made, and never afterwards."""

    def __init__(self, model: LoadedModel, batch_sizes: Sequence[int]) -> None:
        """Compiles a model.

        Args:
          model: the network.
          batch_sizes: numbers of faces for which it is compiled, positive.
        """
        self._classes = len(model.classes)
        self._calls = _compile(model, batch_sizes)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """`[n, 48, 48] uint8` -> `[n, classes] float32`; n may be 0."""
        results, start = [], 0
        for batch in _batches(len(faces), sorted(self._calls)):
            results.append(self._calls[batch](_padded(faces[start : start + batch], batch)))
            start += batch
        # Cut in numpy: cutting an array of JAX would compile.
        probabilities = np.concatenate([np.zeros((0, self._classes), np.float32), *map(np.asarray, results)])
        return probabilities[: len(faces)]


def _compile(model: LoadedModel, batch_sizes: Sequence[int]) -> dict[int, Callable[[np.ndarray], jax.Array]]:
    """By batch size, a function `[batch, 48, 48] uint8` -> `[batch, classes] float32` that never compiles."""
    side = model.image_size
    example = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
    folded = fold_batch_norm(create_model(model.architecture, **model.options), model.variables, example)
    folded = jax.device_put(folded)
    probabilities = jax.jit(partial(_probabilities, model.mean, model.std, model.temperature))

    def compiled(batch: int) -> Callable[[np.ndarray], jax.Array]:
        faces = jax.ShapeDtypeStruct((batch, side, side), jnp.uint8)
        call = partial(probabilities.lower(folded, faces).compile(), folded)
        call(np.zeros(faces.shape, np.uint8)).block_until_ready()  # warms up
        return call

    # XLA compiles one network on one core.
    with persistent_cache(), ThreadPoolExecutor() as threads:
        return dict(zip(batch_sizes, threads.map(compiled, batch_sizes), strict=True))


def _probabilities(mean: float, std: float, temperature: float, logits: Partial, faces: jax.Array) -> jax.Array:
    return class_probabilities(logits(normalize(faces[..., None], mean, std)) / temperature)


def _batches(count: int, sizes: Sequence[int]) -> list[int]:
    """Batch sizes, of those that there are in rising order, that hold `count` faces together."""
    full, rest = divmod(count, sizes[-1])
    return [sizes[-1]] * full + [next(size for size in sizes if size >= rest)] * (rest > 0)


def _padded(faces: np.ndarray, batch: int) -> np.ndarray:
    """`[n, h, w]` -> `[batch, h, w]`, filled up with black."""
    return np.pad(faces, ((0, batch - len(faces)), (0, 0), (0, 0))) if len(faces) < batch else faces
