"""A network of femo's own model files, compiled by JAX for a few batch sizes."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from femo_jax.compilation import PLAIN, compile_for_cpu
from femo_jax.live.compile_cache import persistent_cache
from femo_jax.model_file import LoadedModel, class_probabilities
from femo_jax.models import create_model
from femo_jax.models.fold import fold_batch_norm
from femo_jax.preprocess import normalize

_FULL = 7 / 8
"""Part of a batch from which on it is filled up with blank faces. With less, smaller batches one after the other take
less time: 1, 2, 4, 8 and 16 faces take 4.4, 7.2, 13, 24 and 45 ms of a core."""


class JaxNetwork:
    """Calibrated probabilities of faces; compiled for each batch size when it is first needed, or by `compile`."""

    runtime = "jax"

    def __init__(self, model: LoadedModel, batch_sizes: Sequence[int]) -> None:
        """Prepares a model; nothing is compiled yet.

        Args:
          model: the network.
          batch_sizes: numbers of faces for which it is compiled, positive.
        """
        side = model.image_size
        example = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
        folded = fold_batch_norm(create_model(model.architecture, **model.options), model.variables, example)
        self._folded = jax.device_put(folded)
        self._probabilities = jax.jit(partial(_probabilities, model.mean, model.std, model.temperature))
        self._side, self._classes = side, len(model.classes)
        self._sizes = sorted(set(batch_sizes))
        self._calls: dict[int, Callable[[np.ndarray], jax.Array]] = {}
        self._lock = threading.Lock()

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """`[n, 48, 48] uint8` -> `[n, classes] float32`; n may be 0."""
        batches = _batches(len(faces), self._sizes)
        self._compile(batches)
        results, start = [], 0
        for batch in batches:
            results.append(self._calls[batch](_padded(faces[start : start + batch], batch)))
            start += batch
        # Cut in numpy: cutting an array of JAX would compile.
        probabilities = np.concatenate([np.zeros((0, self._classes), np.float32), *map(np.asarray, results)])
        return probabilities[: len(faces)]

    def compile(self) -> None:
        """Compile for all batch sizes, so that nothing is compiled afterwards."""
        self._compile(self._sizes)

    def _compile(self, batches: Iterable[int]) -> None:
        """Compile for these batch sizes, one on each core; another thread that needs one of them waits."""
        if self._calls.keys() >= set(batches):
            return
        with self._lock:
            missing = sorted(set(batches) - self._calls.keys())
            with persistent_cache(), ThreadPoolExecutor(os.cpu_count()) as threads:
                self._calls.update(zip(missing, threads.map(self._compiled, missing), strict=True))

    def _compiled(self, batch: int) -> Callable[[np.ndarray], jax.Array]:
        """A function `[batch, 48, 48] uint8` -> `[batch, classes] float32` that never compiles."""
        faces = jax.ShapeDtypeStruct((batch, self._side, self._side), jnp.uint8)
        lowered = self._probabilities.lower(self._folded, faces)
        return partial(compile_for_cpu(lowered, PLAIN), self._folded)


def _probabilities(mean: float, std: float, temperature: float, logits: Partial, faces: jax.Array) -> jax.Array:
    return class_probabilities(logits(normalize(faces[..., None], mean, std)) / temperature)


def _batches(count: int, sizes: Sequence[int]) -> list[int]:
    """Batch sizes, of those that there are in rising order, that hold `count` faces together in the least time."""
    batches = []
    while count > 0:
        larger = next((size for size in sizes if size >= count), None)
        smaller = max((size for size in sizes if size <= count), default=None)
        is_full = larger is not None and count >= _FULL * larger
        batch = larger if smaller is None or is_full else smaller
        assert batch is not None  # there is a size, and it is smaller or larger
        batches.append(batch)
        count -= batch
    return batches


def _padded(faces: np.ndarray, batch: int) -> np.ndarray:
    """`[n, h, w]` -> `[batch, h, w]`, filled up with black."""
    return np.pad(faces, ((0, batch - len(faces)), (0, 0), (0, 0))) if len(faces) < batch else faces
