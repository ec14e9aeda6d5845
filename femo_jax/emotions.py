"""The seven emotions of FER-2013 in femo's one order, with their codes and names in every other form.

Everything in femo that has seven entries (logits, probabilities, confusion matrices, class folders) is
in this order: alphabetical, as the folders of FER-2013's Kaggle form. The csv form counts differently
(4 sad, 5 surprise, 6 neutral); only `from_csv_code` knows about that.
"""

from enum import IntEnum


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
        return _REP155[self]

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour in which femo draws this emotion: red, green, blue in 0..255."""
        return _RGB[self]

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
        label = label.lower()
        return cls.from_label(_SYNONYMS.get(label, label))

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
"""The seven labels in femo's class order."""

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
    "disgusted": "disgust",
    "disgusting": "disgust",
    "fearful": "fear",
    "scared": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "joy": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
}

_REP155 = {
    Emotion.ANGRY: "angry",
    Emotion.DISGUST: "disgusted",
    Emotion.FEAR: "scared",
    Emotion.HAPPY: "happy",
    Emotion.NEUTRAL: "neutral",
    Emotion.SAD: "sad",
    Emotion.SURPRISE: "surprised",
}

# Okabe and Ito's palette (2008), distinguishable for colour-blind readers too.
_RGB = {
    Emotion.ANGRY: (213, 94, 0),
    Emotion.DISGUST: (0, 158, 115),
    Emotion.FEAR: (204, 121, 167),
    Emotion.HAPPY: (240, 228, 66),
    Emotion.NEUTRAL: (160, 160, 160),
    Emotion.SAD: (0, 114, 178),
    Emotion.SURPRISE: (86, 180, 233),
}
