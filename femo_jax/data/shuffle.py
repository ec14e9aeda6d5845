"""The order of an epoch without TensorFlow: `tf.random.experimental.stateless_shuffle` in NumPy, number by number.

TensorFlow scrambles the seed with one block of Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405), draws
32-bit numbers from the same generator, and shuffles with them from front to back (Fisher and Yates).
"""

import numpy as np

_SCRAMBLE_KEY = (0x3EC8F720, 0x02461E29)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def epoch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of `range(size)` that depends on the two numbers alone, `[size] int64`.

    It is `tf.random.experimental.stateless_shuffle(tf.range(size), [seed, epoch])`.
    """
    order = list(range(size))
    if size > 1:
        # The swap of the image at i is with one of the size - i that are left.
        offsets = _random_numbers(size - 1, seed, epoch) % np.arange(size, 1, -1)
        for index, offset in enumerate(offsets.tolist()):
            order[index], order[index + offset] = order[index + offset], order[index]
    return np.array(order, np.int64)


def _random_numbers(count: int, seed: int, epoch: int) -> np.ndarray:
    """The first numbers, `[count] int64` in 0..2^32 - 1, of the generator that TensorFlow makes of a pair of seeds."""
    key0, key1, high0, high1 = _philox(np.array([[*_words(seed), *_words(epoch)]], np.uint64), _SCRAMBLE_KEY)[0]
    counters = np.zeros((-(-count // 4), 4), np.uint64)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 2:] = high0, high1
    return _philox(counters, (int(key0), int(key1))).reshape(-1)[:count].astype(np.int64)


def _words(number: int) -> tuple[int, int]:
    """The lower and the upper half of a 64-bit integer."""
    return number & 0xFFFFFFFF, number >> 32 & 0xFFFFFFFF


def _philox(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32 with ten rounds: counters `[n, 4] uint64`, each number below 2^32, to as many random numbers."""
    first, second, third, fourth = counters.T
    key0, key1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        product0, product1 = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second = (product1 >> _HALF) ^ second ^ key0, product1 & _LOW
        third, fourth = (product0 >> _HALF) ^ fourth ^ key1, product0 & _LOW
        key0, key1 = (key0 + _WEYL[0]) & _LOW, (key1 + _WEYL[1]) & _LOW
    return np.stack([first, second, third, fourth], axis=1)
