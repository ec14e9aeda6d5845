"""What all sides of train_step.py have in common: sizes of the networks, the step's constants, and its images."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WIDTHS = (48, 96, 192, 384)
"""Channels of FemoNet's stages."""

VGG_WIDTHS = (32, 64, 128, 256)
"""Channels of the plain VGG's stages, of two 3x3 convolutions each."""

BATCH_SIZE = 128
CLASSES = 7
SIZE = 48
DROPOUT = 0.2
BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON = 0.9, 1e-5
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, SMOOTHING = 0.01, 0.9, 5e-4, 0.1


@dataclass(frozen=True)
class Prepared:
    """A side that is ready: compiled and warmed up.

    Attributes:
      run: takes so many steps and gives the last one's loss, or another finite number; returns when all are done.
      images: of one step.
      parameters: of the network.
      versions: of what decides the speed.
      gflop: of one step, where the side knows it.
    """

    run: Callable[[int], float]
    images: int = BATCH_SIZE
    parameters: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    gflop: float | None = None


def batch() -> tuple[np.ndarray, np.ndarray]:
    """The same for every side: normalised images `[128, 48, 48, 1] float32` and labels `[128] int32`."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((BATCH_SIZE, SIZE, SIZE, 1), np.float32)
    return images, generator.integers(0, CLASSES, BATCH_SIZE, np.int32)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))
