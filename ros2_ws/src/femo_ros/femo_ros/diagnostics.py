"""The node's state as `diagnostic_msgs` has it: a level, a sentence, and the values behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from femo_ros.parameters import DiagnosticsConfig
from femo_ros.statistics import Latency, Report

WARN_PERIODS, ERROR_PERIODS = 3, 10
"""Periods of the camera without an image after which the level is WARN and ERROR, where no parameter says when."""

WARN_SECONDS, ERROR_SECONDS = 0.5, 2.0
"""The least that these are."""

RESULT_WARN_SECONDS, RESULT_ERROR_SECONDS = 1.0, 3.0
"""Seconds for which images come without a result until the level is WARN and ERROR."""

HARDWARE_ID = "femo"
"""The same at all times: aggregators group by it."""


@dataclass(frozen=True)
class Condition:
    """What the node knows of itself when it reports.

    Attributes:
      state: of the lifecycle, as a word.
      error: why the last transition failed; empty where it did not.
      enabled: false while `~/set_enabled` pauses it.
      topic: from which it takes images.
      publishers: what is known of the publishers there, in a few words.
      model: the loaded network and its file; empty where none is loaded.
      detector: the kind of face detector.
      face_poses: what becomes of `~/face_poses`, in a few words.
      limits: parameters `diagnostics.*`.
      camera: its name, where there are several.
    """

    state: str
    error: str
    enabled: bool
    topic: str
    publishers: str
    model: str
    detector: str
    face_poses: str
    limits: DiagnosticsConfig
    camera: str = ""


def no_image_limits(limits: DiagnosticsConfig, period: float | None) -> tuple[float, float]:
    """Return after how many seconds without an image the level is WARN and ERROR, for a camera of this period."""
    warn = limits.warn_after_ms / 1000 or max(WARN_SECONDS, WARN_PERIODS * (period or 0.0))
    error = limits.error_after_ms / 1000 or max(ERROR_SECONDS, ERROR_PERIODS * (period or 0.0))
    if limits.error_after_ms:
        return min(warn, error), error
    return warn, max(warn, error)


def judge(condition: Condition, report: Report) -> tuple[bytes, str]:
    """Return level and sentence, of the worst thing."""
    ok, warn, error = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    if condition.error:
        return error, condition.error
    if condition.state != "active":
        return (ok if condition.state == "inactive" else warn), condition.state
    if not condition.enabled:
        return ok, "paused by ~/set_enabled"
    warn_after, error_after = no_image_limits(condition.limits, report.period)
    if report.since_image is not None and report.since_image >= warn_after:
        kind = "no image for" if report.any_image else "no image yet, after"
        sentence = f"{kind} {report.since_image:.1f} s on {condition.topic}: {condition.publishers}"
        return (error if report.since_image >= error_after else warn), sentence
    if report.since_result is not None and report.since_result >= RESULT_WARN_SECONDS:
        cause = f": {report.last_error}" if report.last_error else ""
        sentence = f"images arrive, but no result for {report.since_result:.1f} s{cause}"
        return (error if report.since_result >= RESULT_ERROR_SECONDS else warn), sentence
    if report.new_errors:
        return warn, f"{report.new_errors} images without a result: {report.last_error}"
    return ok, f"{report.rate_out:.1f} images/s, {report.faces} face{'' if report.faces == 1 else 's'}"


def values(condition: Condition, report: Report) -> Mapping[str, str]:
    """Return the key-value pairs of the status, in their order."""
    offset = report.clock_offset
    return {
        "state": condition.state,
        "enabled": str(condition.enabled).lower(),
        "topic": condition.topic,
        "publishers": condition.publishers,
        "images in (1/s)": f"{report.rate_in:.1f}",
        "results out (1/s)": f"{report.rate_out:.1f}",
        **_latency("stamp", report.from_stamp),
        **_latency("arrival", report.from_arrival),
        "stamps behind the node's clock (s)": "" if offset is None else f"{offset:.3f}",
        "time since last image (s)": "" if report.since_image is None else f"{report.since_image:.2f}",
        "images dropped for newer ones": str(report.dropped),
        "annotated images dropped for newer ones": str(report.drawings_dropped),
        "images undecodable": str(report.undecodable),
        "images failed": str(report.failed),
        "last error": report.last_error,
        "faces": str(report.faces),
        "face poses": condition.face_poses,
        "model": condition.model,
        "detector.kind": condition.detector,
    }


def diagnostics(name: str, stamp: Time, cameras: Iterable[tuple[Condition, Report]]) -> DiagnosticArray:
    """Make the message for `/diagnostics`, with a status for each camera."""
    message = DiagnosticArray(status=[_status(name, condition, report) for condition, report in cameras])
    message.header.stamp = stamp
    return message


def _status(name: str, condition: Condition, report: Report) -> DiagnosticStatus:
    level, sentence = judge(condition, report)
    return DiagnosticStatus(
        level=level,
        name=f"{name}: emotion recognition{f', {condition.camera}' if condition.camera else ''}",
        message=sentence,
        hardware_id=HARDWARE_ID,
        values=[KeyValue(key=key, value=value) for key, value in values(condition, report).items()],
    )


def _latency(since: str, latency: Latency | None) -> Mapping[str, str]:
    return {
        f"latency from {since}, median (ms)": f"{latency.median:.1f}" if latency else "",
        f"latency from {since}, 95th percentile (ms)": f"{latency.percentile_95:.1f}" if latency else "",
    }
