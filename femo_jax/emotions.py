"""The vocabulary of class names: the seven emotions of FER-2013, synonyms, names in REP-155, colours.

A data set and a model carry class names of their own, in their own order. Those of FER-2013, and of models that were
trained on it, are `EMOTIONS`: alphabetical, as the folders of FER-2013's Kaggle form. The csv form counts differently
(4 sad, 5 surprise, 6 neutral); only `from_csv_code` knows about that.
"""

import functools
import itertools
from collections.abc import Sequence
from enum import IntEnum

from femo_jax.errors import ConfigError


class Emotion(IntEnum):
    """An emotion; its value is the class index."""

    ANGRY = 0
    DISGUST = 1
    FEAR = 2
    HAPPY = 3
    NEUTRAL = 4
    SAD = 5
    SURPRISE = 6

    @property
    def label(self) -> str:
        """The lower-case name, as in FER-2013's class folders: `angry`, `disgust`, ..."""
        return self.name.lower()

    @property
    def csv_code(self) -> int:
        """The code in column `emotion` of `fer2013.csv` and `icml_face_data.csv`."""
        return _CSV_ORDER.index(self)

    @property
    def rep155(self) -> str:
        """The name in `hri_msgs/Expression` (REP-155, ROS for human-robot interaction)."""
        return _REP155[self.label]

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour in which femo draws this emotion: red, green, blue in 0..255."""
        return _RGB[self.label]

    @classmethod
    def from_label(cls, label: str) -> "Emotion":
        """The emotion of a class-folder name, in any case.

        Raises:
          ValueError: the label is not one of the seven.
        """
        try:
            return cls[label.upper()]
        except KeyError:
            raise ValueError(f"unknown emotion {label!r}; expected one of {', '.join(EMOTIONS)}") from None

    @classmethod
    def from_synonym(cls, label: str) -> "Emotion":
        """The emotion of a name that data sets and papers have for it, in any case: `fearful`, `Happiness`, `anger`.

        Raises:
          ValueError: the name is not known for one of the seven.
        """
        return cls.from_label(canonical_name(label))

    @classmethod
    def from_csv_code(cls, code: int) -> "Emotion":
        """The emotion of a code in FER-2013's csv forms.

        Raises:
          ValueError: the code is not in 0..6.
        """
        if not 0 <= code < len(_CSV_ORDER):
            raise ValueError(f"unknown emotion code {code}; expected 0 to {len(_CSV_ORDER) - 1}")
        return _CSV_ORDER[code]


EMOTIONS: tuple[str, ...] = tuple(emotion.label for emotion in Emotion)
"""The seven labels of FER-2013 in alphabetical order."""

MAX_CLASSES = 256
"""The largest number of classes of a data set or model; ROS messages have an index of eight bits."""


def canonical_name(name: str) -> str:
    """The name under which femo knows a class: `happy` for `Happiness` or `joy`, `contempt` for `contemptuous`.

    Other names come back in lower case, without space around them.
    """
    name = name.strip().lower()
    return _SYNONYMS.get(name, name)


def check_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """The class names of a data set or model, checked.

    Raises:
      ConfigError: there are fewer than two or more than `MAX_CLASSES`, two are equal, or one is empty, is not
        printable or contains a slash.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"class names are {str(names)[:200]!r}: expected a list of words")
    if not 2 <= len(names) <= MAX_CLASSES:
        raise ConfigError(f"{len(names)} classes ({', '.join(names)[:200]}): expected 2 to {MAX_CLASSES}")
    for name in names:
        if not name.strip() or not name.isprintable() or "/" in name or len(name) > 100:
            raise ConfigError(f"class name {name[:200]!r}: expected up to 100 printable characters without a slash")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f"class name {twice[0]!r} occurs twice: expected different names")
    return tuple(names)


def rep155_name(name: str) -> str:
    """The name of a class in `hri_msgs/Expression` (REP-155); one that REP-155 does not have comes back as it is."""
    return _REP155.get(canonical_name(name), name)


@functools.lru_cache(maxsize=64)
def class_colors(names: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """The colours in which classes are drawn, by name: red, green, blue in 0..255.

    An emotion has its own, of Okabe and Ito's palette (2008); other classes have the next that is free of Paul Tol's
    muted scheme (2021). Colour-blind readers can tell either apart. From the tenth such class on, colours come again.
    """
    others = itertools.cycle(_PALETTE)
    return {name: _RGB.get(canonical_name(name)) or next(others) for name in names}


NUM_EMOTIONS = len(EMOTIONS)

_CSV_ORDER = (
    Emotion.ANGRY,
    Emotion.DISGUST,
    Emotion.FEAR,
    Emotion.HAPPY,
    Emotion.SAD,
    Emotion.SURPRISE,
    Emotion.NEUTRAL,
)

_SYNONYMS = {
    "anger": "angry",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "disgusting": "disgust",
    "fearful": "fear",
    "scared": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "joy": "happy",
    "joyful": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
}

_REP155 = {
    "angry": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}

_RGB = {
    "angry": (213, 94, 0),
    "contempt": (230, 159, 0),
    "disgust": (0, 158, 115),
    "fear": (204, 121, 167),
    "happy": (240, 228, 66),
    "neutral": (160, 160, 160),
    "sad": (0, 114, 178),
    "surprise": (86, 180, 233),
}

_PALETTE = (
    (51, 34, 136),
    (136, 204, 238),
    (68, 170, 153),
    (17, 119, 51),
    (153, 153, 51),
    (221, 204, 119),
    (204, 102, 119),
    (136, 34, 85),
    (170, 68, 153),
)
