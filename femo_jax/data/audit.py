"""Flaws of a data set: images that occur more than once, under different labels, or show nothing."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from femo_jax.data.splits import Split

BLANK_RANGE = 8
"""Grey levels, of 256. The blank images of FER-2013 reach 3, the others at least 47."""


class ImageName(NamedTuple):
    """An image of a data set: its split, its name there and its label."""

    split: str
    name: str
    label: str


@dataclass(frozen=True)
class Audit:
    """The flaws of a data set.

    Attributes:
      images: the number of images in each split.
      identical: groups of two or more images that are equal in every pixel.
      blank: images whose brightest and darkest pixel differ by less than `BLANK_RANGE`.
    """

    images: Mapping[str, int]
    identical: tuple[tuple[ImageName, ...], ...]
    blank: tuple[ImageName, ...]

    @property
    def distinct(self) -> int:
        """The number of different images in all splits together."""
        return sum(self.images.values()) - sum(len(group) - 1 for group in self.identical)

    @property
    def conflicting(self) -> tuple[tuple[ImageName, ...], ...]:
        """The groups of identical images that carry more than one label."""
        return tuple(group for group in self.identical if len({image.label for image in group}) > 1)

    def repeated(self, split: str) -> int:
        """Number of images of a split that are copies of another one in it."""
        counts = (sum(image.split == split for image in group) for group in self.identical)
        return sum(count - 1 for count in counts if count > 1)

    def shared(self, split: str, other: str) -> int:
        """Number of images of a split that also occur in the other split."""
        return sum(
            image.split == split
            for group in self.identical
            if any(member.split == other for member in group)
            for image in group
        )

    def as_json(self) -> dict[str, Any]:
        """The audit as numbers, lists and strings, with the names of all images concerned."""
        return {
            "images": dict(self.images),
            "distinct": self.distinct,
            "repeated": {split: self.repeated(split) for split in self.images},
            "shared": {
                split: {other: self.shared(split, other) for other in self.images if other != split}
                for split in self.images
            },
            "conflicting": {
                "groups": len(self.conflicting),
                "images": sum(map(len, self.conflicting)),
            },
            "blank": {split: sum(image.split == split for image in self.blank) for split in self.images},
            "identical_images": [[image._asdict() for image in group] for group in self.identical],
            "blank_images": [image._asdict() for image in self.blank],
        }


def audit(splits: Mapping[str, Split]) -> Audit:
    """Compares all images of all splits, pixel by pixel.

    Images that differ in a single pixel count as different.

    Args:
      splits: Splits by name, in the order in which they are reported.
    """
    same: defaultdict[bytes, list[ImageName]] = defaultdict(list)
    blank = []
    for split, content in splits.items():
        for image, label, name in zip(content.images, content.labels, content.names, strict=True):
            named = ImageName(split, str(name), content.class_names[label])
            same[image.tobytes()].append(named)
            if np.ptp(image) < BLANK_RANGE:
                blank.append(named)
    return Audit(
        images={split: len(content.labels) for split, content in splits.items()},
        identical=tuple(tuple(group) for group in same.values() if len(group) > 1),
        blank=tuple(blank),
    )
