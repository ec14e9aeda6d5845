"""femo: facial emotion recognition in JAX, live on a robot."""

from typing import TYPE_CHECKING, Any

from femo_jax.emotions import EMOTIONS, Emotion

if TYPE_CHECKING:
    from femo_jax.live.recognizer import EmotionRecognizer

__version__ = "0.2.0"

__all__ = ["EMOTIONS", "Emotion", "EmotionRecognizer", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports the recogniser, and JAX and OpenCV with it, when it is first asked for."""
    if name != "EmotionRecognizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from femo_jax.live.recognizer import EmotionRecognizer

    return EmotionRecognizer


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
