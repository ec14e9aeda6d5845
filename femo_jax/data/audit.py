"""What is wrong with a data set: pictures that occur more than once, under different labels, or show nothing."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS

BLANK_RANGE = 8
"""Grey levels, of 256. The blank pictures of FER-2013 reach 3, the emptiest of all others 47."""


class Picture(NamedTuple):
    """A picture of a data set: its split, its name there and its label."""

    split: str
    name: str
    label: str


@dataclass(frozen=True)
class Audit:
    """The flaws of a data set.

    Attributes:
      pictures: the number of pictures in each split.
      identical: groups of two or more pictures that are equal in every pixel.
      blank: pictures whose brightest and darkest pixel differ by less than `BLANK_RANGE`.
    """

    pictures: Mapping[str, int]
    identical: tuple[tuple[Picture, ...], ...]
    blank: tuple[Picture, ...]

    @property
    def distinct(self) -> int:
        """The number of different pictures in all splits together."""
        return sum(self.pictures.values()) - sum(len(group) - 1 for group in self.identical)

    @property
    def conflicting(self) -> tuple[tuple[Picture, ...], ...]:
        """The groups of identical pictures that carry more than one label."""
        return tuple(group for group in self.identical if len({picture.label for picture in group}) > 1)

    def repeated(self, split: str) -> int:
        """How many pictures of a split are there more than once: those that could go without a loss."""
        counts = (sum(picture.split == split for picture in group) for group in self.identical)
        return sum(count - 1 for count in counts if count > 1)

    def shared(self, split: str, other: str) -> int:
        """How many pictures of a split also occur in the other split."""
        return sum(
            picture.split == split
            for group in self.identical
            if any(member.split == other for member in group)
            for picture in group
        )

    def as_json(self) -> dict[str, Any]:
        """The audit as numbers, lists and strings, with the names of all pictures concerned."""
        return {
            "pictures": dict(self.pictures),
            "distinct": self.distinct,
            "repeated": {split: self.repeated(split) for split in self.pictures},
            "shared": {
                split: {other: self.shared(split, other) for other in self.pictures if other != split}
                for split in self.pictures
            },
            "conflicting": {
                "groups": len(self.conflicting),
                "pictures": sum(map(len, self.conflicting)),
            },
            "blank": {split: sum(picture.split == split for picture in self.blank) for split in self.pictures},
            "identical_pictures": [[picture._asdict() for picture in group] for group in self.identical],
            "blank_pictures": [picture._asdict() for picture in self.blank],
        }


def audit(splits: Mapping[str, Split]) -> Audit:
    """Compares all pictures of all splits, pixel by pixel.

    Pictures that differ in a single pixel count as different.

    Args:
      splits: the splits by their names, in the order in which they are to be reported.
    """
    same: defaultdict[bytes, list[Picture]] = defaultdict(list)
    blank = []
    for split, (images, labels, names, _) in splits.items():
        for image, label, name in zip(images, labels, names, strict=True):
            picture = Picture(split, str(name), EMOTIONS[label])
            same[image.tobytes()].append(picture)
            if np.ptp(image) < BLANK_RANGE:
                blank.append(picture)
    return Audit(
        pictures={split: len(content.labels) for split, content in splits.items()},
        identical=tuple(tuple(group) for group in same.values() if len(group) > 1),
        blank=tuple(blank),
    )
