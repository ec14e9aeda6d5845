"""Tracks: the same number for the same face from frame to frame, with a steady box and a steady emotion.

For each frame: `boxes` says where to look for the known faces, `associate` takes the boxes that were found, `observe`
takes the probabilities of the found faces, and `faces` gives what is to be shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from femo_jax.emotions import NUM_EMOTIONS
from femo_jax.live.boxes import Box, overlaps
from femo_jax.live.config import TrackConfig
from femo_jax.live.results import FaceEmotion
from femo_jax.live.tracking.one_euro import OneEuro, follow, start
from femo_jax.live.tracking.pairing import pair_boxes
from femo_jax.live.tracking.smoothing import SmoothedEmotion, first_emotion, is_uncertain, next_emotion

LONGEST_GAP_SECONDS = 60.0
"""A longer time between two frames starts all tracks anew."""

SAME_FACE_OVERLAP = 0.7
"""Two tracks that overlap by more than this are on the same face, if for long enough."""

SAME_FACE_SECONDS = 0.5
"""How long that is: two faces that pass each other overlap for less."""

LEFT_OUTSIDE = 0.25
"""A face out of sight has left the frame once its motion has taken more than this part of its box across the edge."""


class Sighting(NamedTuple):
    """A found face: the key of its track, which it has before it has a number, and its filtered box."""

    key: int
    box: Box


@dataclass(frozen=True, eq=False)
class Track:
    """A face over time.

    Attributes:
      key: tells it from all other tracks.
      number: shown as its id from its birth on; None before.
      found: its last box as it was found.
      filter: of the box's centre, width and height.
      sightings: how often it was found.
      first_seen: time of the first sighting, in seconds.
      last_seen: time of the last sighting.
      emotion: what the frames so far say; None before the first observation.
      observed: time of the last observation.
      doubled_since: since when it has overlapped an older track, as if on the same face; None where it does not.
    """

    key: int
    number: int | None
    found: Box
    filter: OneEuro
    sightings: int
    first_seen: float
    last_seen: float
    emotion: SmoothedEmotion | None = None
    observed: float = 0.0
    doubled_since: float | None = None

    @property
    def box(self) -> Box:
        """The filtered box."""
        x, y, w, h = (float(value) for value in self.filter.value)
        return Box(x - w / 2, y - h / 2, w, h)

    def carried_on(self, seconds: float) -> Box:
        """Where the motion at its last sighting takes the found box in so many seconds."""
        dx, dy = (float(speed) * seconds for speed in self.filter.speed[:2])
        return self.found._replace(x=self.found.x + dx, y=self.found.y + dy)


class Tracker:
    """The faces of a stream.

    A track is born once it was found in `born_after` frames in a row; before, one miss ends it. Then it stays through
    misses of up to `lost_after_ms`, with the last filtered box, and through any single frame however long that took.

    Attributes:
      config: settings; new ones hold from the next frame on, for living tracks as well.
    """

    def __init__(self, config: TrackConfig) -> None:
        """Without tracks; numbers begin with 1."""
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks; numbers begin with 1 again."""
        self.end_tracks()
        self._time = -math.inf
        self._keys = 0
        self._numbers = 0

    def end_tracks(self) -> None:
        """Ends all tracks; their numbers are not used again."""
        self._tracks: list[Track] = []  # oldest first

    def boxes(self) -> list[Box]:
        """Where each face was last found, unfiltered, also those that are not born yet: where to look next."""
        return [track.found for track in self._tracks]

    def associate(self, time: float, found: Sequence[Box]) -> list[Sighting]:
        """Gives each found face to its track, or to a new one, and ends the tracks of lost faces.

        Where time jumps back, or forward by more than a minute, all tracks end; their numbers are not used again.

        Args:
          time: of the frame, in seconds on the stream's clock.
          found: the faces of the frame, none of them twice.

        Returns:
          One sighting for each box, in the order of `found`.

        Raises:
          ValueError: the time is not finite.
        """
        if not math.isfinite(time):
            raise ValueError(f"time is {time}; expected a finite number of seconds.")
        if not 0 <= time - self._time <= LONGEST_GAP_SECONDS:
            self.end_tracks()
        hidden = [index for index, track in enumerate(self._tracks) if track.last_seen < self._time]
        self._time = time
        pairs = pair_boxes(self.boxes(), found, self.config.min_overlap, hidden)
        sighted = [
            self._seen(self._tracks[pairs[index]], box) if index in pairs else self._new(box)
            for index, box in enumerate(found)
        ]
        matched = set(pairs.values())
        missed = [track for index, track in enumerate(self._tracks) if index not in matched and self._stays(track)]
        self._tracks = _without_doubles(sorted(sighted + missed, key=lambda track: track.key), time)
        return [Sighting(track.key, track.box) for track in sighted]

    def observe(self, sightings: Sequence[Sighting], probabilities: np.ndarray) -> None:
        """Takes the emotions of faces that were found; sightings of tracks that have ended are passed over.

        Args:
          sightings: of this frame, all or some.
          probabilities: `[n, 7]`, a row for each sighting.

        Raises:
          ValueError: the probabilities have another shape.
        """
        expected = (len(sightings), NUM_EMOTIONS)
        if np.shape(probabilities) != expected:
            raise ValueError(f"probabilities have shape {np.shape(probabilities)}; expected {expected}.")
        rows = {sighting.key: row for sighting, row in zip(sightings, probabilities, strict=True)}
        self._tracks = [
            self._observed(track, rows[track.key]) if track.key in rows else track for track in self._tracks
        ]

    def faces(self, width: int, height: int) -> list[FaceEmotion]:
        """The tracks that are born and were observed, also where their face is out of sight for a moment, by id.

        A face that was on its way out of the frame when it was last seen is not shown; it keeps its number for as long
        as any other, should it come back.

        Args:
          width: of the frame, in pixels.
          height: of the frame, in pixels.
        """
        faces = []
        for track in self._tracks:
            box = track.box.rounded().clipped(width, height)
            age, unseen = self._time - track.first_seen, self._time - track.last_seen
            if track.number is None or track.emotion is None or box.w * box.h == 0:
                continue
            if unseen > 0 and _part_outside(track.carried_on(unseen), width, height) > LEFT_OUTSIDE:
                continue
            face = FaceEmotion(
                box=box,
                label=track.emotion.label.label,
                confidence=track.emotion.confidence,
                probabilities=track.emotion.probabilities.astype(np.float32),
                track_id=track.number,
                uncertain=is_uncertain(track.emotion, age, unseen, self.config),
                age=age,
            )
            faces.append(face)
        return sorted(faces, key=lambda face: face.track_id)

    def _new(self, box: Box) -> Track:
        self._keys += 1
        track = Track(self._keys, None, box, start(_signal(box)), 1, self._time, self._time)
        return self._born(track)

    def _seen(self, track: Track, box: Box) -> Track:
        # The gain makes the filter free of scale: speed counts in boxes a second.
        gain = self.config.box_speed / max(track.found.size, 1.0)
        elapsed = self._time - track.last_seen
        state = follow(track.filter, _signal(box), elapsed, self.config.box_cutoff_hz, gain)
        seen = replace(track, found=box, filter=state, sightings=track.sightings + 1, last_seen=self._time)
        return self._born(seen)

    def _born(self, track: Track) -> Track:
        if track.number is not None or track.sightings < self.config.born_after:
            return track
        self._numbers += 1
        return replace(track, number=self._numbers)

    def _stays(self, track: Track) -> bool:
        return track.number is not None and (self._time - track.last_seen) * 1000 <= self.config.lost_after_ms

    def _observed(self, track: Track, probabilities: np.ndarray) -> Track:
        if track.emotion is None:
            emotion = first_emotion(probabilities)
        else:
            emotion = next_emotion(track.emotion, probabilities, self._time - track.observed, self.config)
        return replace(track, emotion=emotion, observed=self._time)


def _without_doubles(tracks: Sequence[Track], time: float) -> list[Track]:
    """Ends one of two tracks, ordered by age, that have been on the same face for a while.

    That is the younger one, or the older one where it was out of sight all the while: another face stepped before it.
    """
    boxes = [track.found for track in tracks]
    with_older = np.triu(overlaps(boxes, boxes), 1)
    kept = dict(enumerate(tracks))
    for index, track in enumerate(tracks):
        older = int(with_older[:, index].argmax())
        if with_older[older, index] <= SAME_FACE_OVERLAP:
            if track.doubled_since is not None:
                kept[index] = replace(track, doubled_since=None)
        elif track.doubled_since is None:
            kept[index] = replace(track, doubled_since=time)
        elif time - track.doubled_since >= SAME_FACE_SECONDS:
            kept.pop(older if tracks[older].last_seen < track.doubled_since else index, None)
    return list(kept.values())


def _part_outside(box: Box, width: int, height: int) -> float:
    """The part of a box's area, 0 to 1, that is outside a frame of this size."""
    inside = box.clipped(width, height)
    return 1.0 - inside.w * inside.h / max(box.w * box.h, 1.0)


def _signal(box: Box) -> np.ndarray:
    """What is filtered of a box: centre, width and height, `[4] float64`."""
    return np.array([*box.center, box.w, box.h], np.float64)
