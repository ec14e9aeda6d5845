"""Intervals of one label, shares of time, transitions and averages over seconds, of the faces of a log."""

import math
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.report.log import FaceLog, load_log

if TYPE_CHECKING:
    import pandas

MOST_STEPS = 100_000
"""Steps into which `aggregate` divides a log at most."""


@dataclass(frozen=True)
class Interval:
    """A time in which a person's face had one label.

    Attributes:
      person: the number of the track; below 0 for faces that were not tracked, see `FaceLog.person`.
      start: in seconds on the source's clock.
      end: of the last frame, likewise.
      label: one of the log's classes.
      uncertain: whether the label was marked as uncertain.
      confidence: mean probability of the label, 0..1.
      frames: how many it lasts.
    """

    person: int
    start: float
    end: float
    label: str
    uncertain: bool
    confidence: float
    frames: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def intervals(frame_log: "FaceLog | pandas.DataFrame | str | os.PathLike[str]") -> list[Interval]:
    """The intervals of each person, one after the other.

    An interval ends where the label changes, where it becomes certain or uncertain, and where the face is not seen
    for more than a second.

    Args:
      frame_log: the path of a log of `femo live`, or what `femo_jax.read_log` or `load_log` made of it.

    Returns:
      The intervals, by person and then by time; none of a log without faces.

    Raises:
      DataError: it is no log, or the table has other columns.
      FemoError: the file cannot be read.
    """
    if isinstance(frame_log, str | os.PathLike):
        log = load_log(Path(frame_log))
    else:
        log = frame_log if isinstance(frame_log, FaceLog) else FaceLog.from_frame(frame_log)
    seconds, found = log.durations(), []
    for person, rows in log.by_person():
        time, end = log.time[rows], (log.time + seconds)[rows]
        label, uncertain = log.label[rows], log.uncertain[rows]
        parted = np.diff(label) != 0
        parted |= np.diff(uncertain.astype(int)) != 0
        parted |= ~np.isclose(end[:-1], time[1:])
        for part in np.split(np.arange(len(rows)), np.flatnonzero(parted) + 1):
            first, last = part[0], part[-1]
            found.append(
                Interval(
                    person=person,
                    start=float(time[first]),
                    end=float(end[last]),
                    label=log.class_names[label[first]],
                    uncertain=bool(uncertain[first]),
                    confidence=float(log.confidence[rows][part].mean()),
                    frames=len(part),
                )
            )
    return found


@dataclass(frozen=True)
class PersonSummary:
    """What a log has of one person.

    Attributes:
      person: as of `Interval.person`.
      start: first sighting, in seconds.
      end: of the last one.
      seconds: for which the face was in sight.
      shares: of these seconds by label, 0..1, without the uncertain ones; every class has its entry.
      uncertain: share of the seconds in which the label was uncertain; with `shares` the sum is 1.
      transitions: how often one certain label followed another, by both labels.
    """

    person: int
    start: float
    end: float
    seconds: float
    shares: dict[str, float]
    uncertain: float
    transitions: dict[tuple[str, str], int]


def summarize(log: FaceLog) -> list[PersonSummary]:
    """A summary of each person of a log."""
    by_person: dict[int, list[Interval]] = {person: [] for person in log.persons}
    for interval in intervals(log):
        by_person[interval.person].append(interval)
    return [_summary(person, found, log.class_names) for person, found in by_person.items()]


def _summary(person: int, found: list[Interval], names: tuple[str, ...]) -> PersonSummary:
    # A log of one frame has no duration: its frames count instead.
    whole = sum(each.seconds for each in found)
    weights = [each.seconds if whole > 0 else each.frames for each in found]
    total = sum(weights)
    shares = dict.fromkeys(names, 0.0)
    for interval, weight in zip(found, weights, strict=True):
        if not interval.uncertain:
            shares[interval.label] += weight / total
    certain = [each.label for each in found if not each.uncertain]
    changes = Counter((a, b) for a, b in pairwise(certain) if a != b)
    uncertain = sum(weight for each, weight in zip(found, weights, strict=True) if each.uncertain) / total
    return PersonSummary(person, found[0].start, found[-1].end, whole, shares, uncertain, dict(changes))


@dataclass(frozen=True, eq=False)
class Step:
    """A person in one of the equal steps into which time is divided.

    Attributes:
      person: as of `Interval.person`.
      start: of the step, in seconds on the source's clock.
      end: of the step.
      seconds: of it for which the face was in sight.
      label: which was shown the longest, uncertain or not.
      uncertain: share of the face's seconds in which its label was uncertain.
      probabilities: `[classes] float64`, mean over the face's seconds.
    """

    person: int
    start: float
    end: float
    seconds: float
    label: str
    uncertain: float
    probabilities: np.ndarray


def aggregate(log: FaceLog, every: float) -> list[Step]:
    """Averages over equal steps of time, which begin with the first frame of the log.

    Args:
      log: to average.
      every: length of a step in seconds. A row counts for the step in which its frame was taken.

    Returns:
      The steps in which a person was seen, by person and then by time.

    Raises:
      ConfigError: the length is not above 0, or the log has more than `MOST_STEPS` such steps.
    """
    span = float(np.ptp(log.frame_times)) if len(log.frame_times) else 0.0
    if not (math.isfinite(every) and every > 0 and span / every <= MOST_STEPS):
        raise ConfigError(
            f"steps of {every:g} s in a log of {span:g} s; expected at least {max(span / MOST_STEPS, 1e-3):.3g} s."
        )
    if not len(log):
        return []
    # Of one person, times only go forward: a clock that jumps back starts new tracks.
    log = log.rows(np.argsort(log.time, kind="stable"))
    began, seconds, steps = float(log.frame_times.min()), log.durations(), []
    number = np.floor((log.time - began) / every + 1e-9).astype(np.int64)
    for person, of_person in log.by_person():
        each_step, starts = np.unique(number[of_person], return_index=True)
        for each, rows in zip(each_step, np.split(of_person, starts[1:]), strict=True):
            weight = seconds[rows] if seconds[rows].sum() > 0 else np.ones(len(rows))
            weight = weight / weight.sum()
            longest = int(np.argmax(np.bincount(log.label[rows], weight, len(log.class_names))))
            steps.append(
                Step(
                    person=person,
                    start=began + float(each) * every,
                    end=began + float(each + 1) * every,
                    seconds=float(seconds[rows].sum()),
                    label=log.class_names[longest],
                    uncertain=float(weight @ log.uncertain[rows]),
                    probabilities=weight @ log.probabilities[rows],
                )
            )
    return steps
