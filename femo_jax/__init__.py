"""femo: facial emotion recognition in JAX, live on a robot."""

from femo_jax.emotions import EMOTIONS, Emotion

__version__ = "0.1.0"

__all__ = ["EMOTIONS", "Emotion", "__version__"]
