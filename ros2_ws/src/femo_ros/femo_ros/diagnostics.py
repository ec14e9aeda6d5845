"""The node's state as `diagnostic_msgs` has it: a level, a sentence, and the figures behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from femo_ros.statistics import Latency, Report

WARN_AFTER = 0.5
"""Seconds without an image until the level is WARN."""

ERROR_AFTER = 2.0
"""Seconds without an image until the level is ERROR."""


@dataclass(frozen=True)
class Condition:
    """What the node knows of itself when it reports.

    Attributes:
      state: of the lifecycle, as a word.
      error: why the last transition failed; empty where it did not.
      enabled: false while `~/set_enabled` pauses it.
      topic: from which it takes images.
      camera: what is known of the publishers there, in a few words.
      model: the loaded network and its file; empty where none is loaded.
      detector: how faces are found.
    """

    state: str
    error: str
    enabled: bool
    topic: str
    camera: str
    model: str
    detector: str


def judge(condition: Condition, report: Report) -> tuple[bytes, str]:
    """Level and sentence, the worst thing first."""
    if condition.error:
        return DiagnosticStatus.ERROR, condition.error
    if condition.state != "active":
        return DiagnosticStatus.OK, condition.state
    if not condition.enabled:
        return DiagnosticStatus.OK, "paused by ~/set_enabled"
    if report.since_image is not None and report.since_image >= WARN_AFTER:
        level = DiagnosticStatus.ERROR if report.since_image >= ERROR_AFTER else DiagnosticStatus.WARN
        kind = "no image for" if report.any_image else "no image yet, after"
        return level, f"{kind} {report.since_image:.1f} s on {condition.topic}: {condition.camera}"
    if report.new_errors:
        return DiagnosticStatus.WARN, f"{report.new_errors} images without a result: {report.last_error}"
    return DiagnosticStatus.OK, f"{report.rate_out:.1f} images/s, {report.faces} faces"


def figures(condition: Condition, report: Report) -> Mapping[str, str]:
    """What stands in the status, in this order."""
    return {
        "state": condition.state,
        "enabled": str(condition.enabled).lower(),
        "topic": condition.topic,
        "publishers": condition.camera,
        "images in (1/s)": f"{report.rate_in:.1f}",
        "results out (1/s)": f"{report.rate_out:.1f}",
        **_latency("stamp", report.from_stamp),
        **_latency("arrival", report.from_arrival),
        "time since last image (s)": "" if report.since_image is None else f"{report.since_image:.2f}",
        "images dropped for newer ones": str(report.dropped),
        "images undecodable": str(report.undecodable),
        "images failed": str(report.failed),
        "last error": report.last_error,
        "faces": str(report.faces),
        "model": condition.model,
        "detector": condition.detector,
    }


def diagnostics(name: str, stamp: Time, condition: Condition, report: Report) -> DiagnosticArray:
    """The message for `/diagnostics`."""
    level, sentence = judge(condition, report)
    status = DiagnosticStatus(
        level=level,
        name=f"{name}: emotion recognition",
        message=sentence,
        hardware_id=condition.topic,
        values=[KeyValue(key=key, value=value) for key, value in figures(condition, report).items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


def _latency(since: str, latency: Latency | None) -> Mapping[str, str]:
    return {
        f"latency from {since}, median (ms)": f"{latency.median:.1f}" if latency else "",
        f"latency from {since}, 95th percentile (ms)": f"{latency.percentile_95:.1f}" if latency else "",
    }
