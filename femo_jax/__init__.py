"""femo: facial emotion recognition in JAX, live on a robot."""

import importlib
from typing import TYPE_CHECKING, Any

from femo_jax.emotions import EMOTIONS, Emotion

if TYPE_CHECKING:
    from femo_jax.live.recognizer import EmotionRecognizer
    from femo_jax.report.intervals import intervals
    from femo_jax.report.log import read_log

__version__ = "0.2.0"

__all__ = ["EMOTIONS", "Emotion", "EmotionRecognizer", "__version__", "intervals", "read_log"]

_IMPORTED_WHEN_ASKED_FOR = {
    "EmotionRecognizer": "femo_jax.live.recognizer",
    "intervals": "femo_jax.report.intervals",
    "read_log": "femo_jax.report.log",
}


def __getattr__(name: str) -> Any:
    """Imports the recogniser, and JAX and OpenCV with it, when it is first asked for; reading of logs likewise."""
    if name not in _IMPORTED_WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_IMPORTED_WHEN_ASKED_FOR[name]), name)


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
