"""Tracks: the same ID for the same face from frame to frame, with a steady box and a steady emotion.

For each frame: `boxes` returns where to look for the known faces, `associate` takes the detected boxes, `due` returns
which of the faces are to be classified, `associate_more` takes boxes that were detected meanwhile, `observe` takes the
probabilities, and `faces` returns what is to be shown.

Boxes are associated with tracks by optimal assignment of their overlaps. The box of a track is smoothed by a One-Euro
filter: a low-pass filter whose cutoff frequency grows with the speed of the signal. Unlike in the paper, the speed is
computed from sample to sample and not from the filtered value to the sample: the latter counts the filter's own lag as
speed, the more the higher the frame rate, and lag and jitter should not depend on the frame rate.

References:
  Casiez, Roussel and Vogel, 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
  Systems, 2012, https://doi.org/10.1145/2207676.2208639
"""

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.live.association import pair_boxes
from femo_jax.live.config import TrackConfig
from femo_jax.live.following import CarriedFace
from femo_jax.live.image import Box, DetectedFace, overlaps
from femo_jax.live.results import FaceEmotion, SmoothedEmotion, first_emotion, is_uncertain, next_emotion
from femo_jax.live.turns import Turns

LONGEST_GAP_SECONDS = 60.0
"""A longer time between two frames starts new tracks, however slow the stream is."""

SHORTEST_GAP_SECONDS = 2.0
"""A shorter one never does: a camera that stalls for a moment has the same people before it."""

USUAL_INTERVALS = 3.0
"""In between, a gap is longer than `max_age_ms` and than this many times the longest of the last intervals."""

INTERVALS = 8
"""How many of the last intervals between frames are remembered."""

SAME_FACE_OVERLAP = 0.7
"""Two tracks that overlap by more than this are on the same face, if for long enough."""

SAME_FACE_SECONDS = 0.5
"""How long that is: two faces that pass each other overlap for less."""

LEFT_OUTSIDE = 0.25
"""A face out of sight has left the frame once its motion has taken more than this part of its box across the edge."""

MOVED = 0.5
"""Widths of its box by which a face has moved, or grown or shrunk, since its last classification, from which on it is
classified at once: it may be turned or lit in another way."""

SPEED_CUTOFF_HZ = 1.0
"""Cutoff frequency of the speed's own low-pass filter, as in the paper."""


@dataclass(frozen=True, eq=False)
class OneEuro:
    """State of the filter for a signal of n channels, each filtered by its own speed.

    Attributes:
      sample: `[n] float64`, the last sample as it came.
      value: `[n] float64`, the filtered signal.
      speed: `[n] float64`, filtered speed in units of the signal a second.
    """

    sample: np.ndarray
    value: np.ndarray
    speed: np.ndarray


def start_filter(sample: np.ndarray) -> OneEuro:
    """The filter after its first sample `[n]`, which passes unchanged."""
    return OneEuro(sample, sample, np.zeros_like(sample))


def update_filter(state: OneEuro, sample: np.ndarray, elapsed: float, cutoff_hz: float, speed_gain: float) -> OneEuro:
    """The filter after one more sample.

    Args:
      state: after the sample before.
      sample: `[n] float64`.
      elapsed: seconds since the sample before, 0 or more; after 0 seconds the value stays.
      cutoff_hz: cutoff frequency at rest; lower is steadier.
      speed_gain: by how many hertz the cutoff grows for each unit a second; higher lags less.
    """
    # Both steps are `last + weight * (new - last)`; that of the speed is written without a division by `elapsed`.
    change = sample - state.sample - elapsed * state.speed
    speed = state.speed + change / (elapsed + _time_constant(SPEED_CUTOFF_HZ))
    weight = elapsed / (elapsed + _time_constant(cutoff_hz + speed_gain * np.abs(speed)))
    return OneEuro(sample, state.value + weight * (sample - state.value), speed)


def _time_constant(cutoff_hz):
    return 1 / (2 * math.pi * cutoff_hz)


class Sighting(NamedTuple):
    """A found face: the key of its track, which it has before it has a number, and its filtered box.

    With a detector that gives landmarks, the box is a `DetectedFace` with those of the frame.
    """

    key: int
    box: Box


@dataclass(frozen=True, eq=False)
class Track:
    """A face over time.

    Attributes:
      key: identifies the track.
      number: shown as its id from its birth on; None before.
      found: its last box as it was found.
      filter: of the box's centre, width and height.
      sightings: how often it was found.
      first_seen: time of the first sighting, in seconds.
      last_seen: time of the last sighting.
      last_found: time at which the detector last found it; before `last_seen` where its box has been carried since.
      emotion: the label after the frames so far; None before the first observation.
      observed: time of the last observation, in seconds.
      observed_box: its box as it was found then; None before.
      doubled_since: since when it has overlapped an older track, as if on the same face; None where it does not.
    """

    key: int
    number: int | None
    found: Box
    filter: OneEuro
    sightings: int
    first_seen: float
    last_seen: float
    last_found: float
    emotion: SmoothedEmotion | None = None
    observed: float = 0.0
    observed_box: Box | None = None
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

    A track is born once it was found in `min_hits` frames in a row; before, one miss ends it. Then it stays through
    misses of up to `max_age_ms`, with the last filtered box, and through any single frame however long that took. A
    `CarriedFace` moves its box, and does not count as found: misses count from when the detector found it.

    Attributes:
      config: settings; new ones hold from the next frame on, for living tracks as well.
      class_names: of the model whose probabilities are observed.
    """

    def __init__(
        self, config: TrackConfig, class_names: tuple[str, ...] = EMOTIONS, numbers: Iterator[int] | None = None
    ) -> None:
        """Without tracks.

        Args:
          config: settings.
          class_names: of the model whose probabilities are observed.
          numbers: of new tracks, none of them twice; from 1 on by default. Trackers that share them use no number twice
            among them.
        """
        self.config = config
        self.class_names = class_names
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._keys = 0
        self.reset()

    def reset(self) -> None:
        """Forgets all tracks and the time; numbers are not used again."""
        self.end_tracks()
        self._time = self._time_before = -math.inf
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self._elapsed = 0.0
        self._turns = Turns()

    def end_tracks(self) -> None:
        """Ends all tracks; their numbers are not used again."""
        self._tracks: list[Track] = []  # oldest first
        self._missed: list[Track] = []  # in the last frame, those that have ended by it as well

    def boxes(self) -> list[Box]:
        """Where each face was last found, unfiltered, also those that are not born yet: where to look next."""
        return [track.found for track in self._tracks]

    def born(self) -> list[Box]:
        """Those of `boxes` whose tracks are born: they need no look of the detector in each frame."""
        return [track.found for track in self._tracks if track.number is not None]

    def associate(self, time: float, found: Sequence[Box]) -> list[Sighting]:
        """Gives each found face to its track, or to a new one, and ends the tracks of lost faces.

        Where time jumps back, or the stream had a gap, all tracks end and their numbers are not used again: after a
        gap, another face may be where the last one was. A gap is longer than two seconds, than `max_age_ms`, and than
        three times the longest of the last intervals between frames, so that slow cameras have none; a minute always
        is one.

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
        self._elapsed = time - self._time
        if not 0 <= self._elapsed <= self._longest_interval():
            self.end_tracks()
        if 0 < self._elapsed < math.inf:
            self._intervals.append(self._elapsed)
        self._time_before, self._time = self._time, time
        return self._associated(self._tracks, found)

    def associate_more(self, found: Sequence[Box]) -> list[Sighting]:
        """Does the same with faces of the same frame that were found later; they have the tracks that are left.

        Args:
          found: further faces, none of them twice and none of those before.

        Returns:
          One sighting for each box, in the order of `found`.
        """
        return self._associated(self._missed, found) if found else []

    def _associated(self, known: Sequence[Track], found: Sequence[Box]) -> list[Sighting]:
        """Gives found faces to known tracks, or to new ones; those that are missed may end, all others stay."""
        hidden = [index for index, track in enumerate(known) if track.last_seen < self._time_before]
        pairs = pair_boxes([track.found for track in known], found, self.config.min_overlap, hidden)
        sighted = [
            self._seen(known[pairs[index]], box) if index in pairs else self._new(box)
            for index, box in enumerate(found)
        ]
        matched = set(pairs.values())
        self._missed = [track for index, track in enumerate(known) if index not in matched]
        keys = {track.key for track in known}
        tracks = [track for track in self._tracks if track.key not in keys]
        tracks += sighted + [track for track in self._missed if self._stays(track)]
        self._tracks = _without_doubles(sorted(tracks, key=lambda track: track.key), self._time)
        return [Sighting(track.key, _with_landmarks(track)) for track in sighted]

    def due(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """Chooses the faces that are to be classified in this frame, so that each is once in `classify_every_ms`.

        A face is due at once where it is new, where it has moved far since its last classification, and where it was
        out of sight for long. Of the others, those that have waited longest are due, in each frame about as many as in
        any other. A frame that comes later than that time has all faces due.

        Args:
          sightings: of this frame, as `associate` and `associate_more` return them; to be asked once for each.

        Returns:
          Those that are due, in the order of `sightings`.
        """
        every = self.config.classify_every_ms / 1000
        tracks = {track.key: track for track in self._tracks}
        waited = {
            sighting.key: self._waited(tracks[sighting.key], every) for sighting in sightings if sighting.key in tracks
        }
        due = self._turns.choose(waited, self._elapsed, every)
        return [sighting for sighting in sightings if sighting.key in due]

    def observe(
        self, sightings: Sequence[Sighting], probabilities: np.ndarray, contrasts: np.ndarray | None = None
    ) -> None:
        """Takes the emotions of faces that were found; sightings of tracks that have ended are passed over.

        Args:
          sightings: of this frame, all or some.
          probabilities: `[n, c]`, a row for each sighting.
          contrasts: `[n]`, of the crops, see `femo_jax.live.image.crop_contrast`; None where they were not measured.

        Raises:
          ValueError: the probabilities or the contrasts have another shape.
        """
        expected = (len(sightings), len(self.class_names))
        if np.shape(probabilities) != expected:
            raise ValueError(f"probabilities have shape {np.shape(probabilities)}; expected {expected}.")
        if contrasts is None:
            contrasts = np.full(len(sightings), np.inf)
        if np.shape(contrasts) != expected[:1]:
            raise ValueError(f"contrasts have shape {np.shape(contrasts)}; expected {expected[:1]}.")
        rows = {
            sighting.key: (row, float(contrast))
            for sighting, row, contrast in zip(sightings, probabilities, contrasts, strict=True)
        }
        self._tracks = [
            self._observed(track, *rows[track.key]) if track.key in rows else track for track in self._tracks
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
            found = track.found if isinstance(track.found, DetectedFace) else None
            if track.number is None or track.emotion is None or box.w * box.h == 0:
                continue
            if unseen > 0 and _part_outside(track.carried_on(unseen), width, height) > LEFT_OUTSIDE:
                continue
            face = FaceEmotion(
                box=box,
                label=self.class_names[track.emotion.label],
                confidence=track.emotion.confidence,
                probabilities=track.emotion.probabilities.astype(np.float32),
                track_id=track.number,
                uncertain=is_uncertain(track.emotion, age, unseen, self.config),
                age=age,
                contrast=track.emotion.contrast,
                class_names=self.class_names,
                score=found.score if found else None,
                landmarks=found.landmarks if found and not unseen else None,
            )
            faces.append(face)
        return sorted(faces, key=lambda face: face.track_id)

    def _longest_interval(self) -> float:
        """Seconds between two frames beyond which a face may be another one."""
        if not self._intervals:
            return LONGEST_GAP_SECONDS
        usual = max(self.config.max_age_ms / 1000, USUAL_INTERVALS * max(self._intervals), SHORTEST_GAP_SECONDS)
        return min(usual, LONGEST_GAP_SECONDS)

    def _new(self, box: Box) -> Track:
        self._keys += 1
        track = Track(self._keys, None, box, start_filter(_signal(box)), 1, self._time, self._time, self._time)
        return self._born(track)

    def _seen(self, track: Track, box: Box) -> Track:
        # The gain makes the filter free of scale: speed counts in boxes a second.
        gain = self.config.box_speed / max(track.found.size, 1.0)
        elapsed = self._time - track.last_seen
        state = update_filter(track.filter, _signal(box), elapsed, self.config.box_cutoff_hz, gain)
        sightings, found_at = track.sightings + 1, self._time
        if isinstance(box, CarriedFace):
            sightings, found_at = track.sightings, track.last_found
        seen = replace(track, found=box, filter=state, sightings=sightings, last_seen=self._time, last_found=found_at)
        return self._born(seen)

    def _born(self, track: Track) -> Track:
        if track.number is not None or track.sightings < self.config.min_hits:
            return track
        return replace(track, number=next(self._numbers))

    def _stays(self, track: Track) -> bool:
        return track.number is not None and (self._time - track.last_found) * 1000 <= self.config.max_age_ms

    def _observed(self, track: Track, probabilities: np.ndarray, contrast: float) -> Track:
        if track.emotion is None:
            emotion = first_emotion(probabilities, contrast)
        else:
            emotion = next_emotion(track.emotion, probabilities, self._time - track.observed, self.config, contrast)
        return replace(track, emotion=emotion, observed=self._time, observed_box=track.found)

    def _waited(self, track: Track, every: float) -> float:
        """Seconds since a face was last classified; infinite where it is due whatever others are."""
        if every == 0 or track.observed_box is None or _motion(track.observed_box, track.found) > MOVED:
            return math.inf
        return self._time - track.observed


def _with_landmarks(track: Track) -> Box:
    """The filtered box with what the detector gave to the found one."""
    found = track.found
    return DetectedFace.of(track.box, found.score, found.landmarks) if isinstance(found, DetectedFace) else track.box


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


def _motion(before: Box, now: Box) -> float:
    """By how much a box moved, grew or shrank, in widths of its smaller state."""
    (x, y), (new_x, new_y) = before.center, now.center
    moved = max(math.hypot(new_x - x, new_y - y), abs(now.size - before.size))
    return moved / max(min(before.size, now.size), 1.0)


def _part_outside(box: Box, width: int, height: int) -> float:
    """The part of a box's area, 0 to 1, that is outside a frame of this size."""
    inside = box.clipped(width, height)
    return 1.0 - inside.w * inside.h / max(box.w * box.h, 1.0)


def _signal(box: Box) -> np.ndarray:
    """What is filtered of a box: centre, width and height, `[4] float64`."""
    return np.array([*box.center, box.w, box.h], np.float64)
