"""One labelled picture of FER-2013, whatever form it was read from."""

from dataclasses import dataclass

import numpy as np

from femo_jax.emotions import Emotion


@dataclass(frozen=True, eq=False)
class Face:
    """A labelled picture.

    Attributes:
      image: `[48, 48] uint8`, grey.
      emotion: its label.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      name: names the picture within its data set: `train/angry/Training_3908.jpg` in the folder form,
        `row_00021806` in the csv forms.
      row: the row in the csv, counted from 0 below the header; None in the folder form.
    """

    image: np.ndarray
    emotion: Emotion
    split: str
    name: str
    row: int | None = None
