"""Where frames come from; `open_source` takes whatever a user names."""

from femo_jax.live.sources.frame import Frame, FrameSource
from femo_jax.live.sources.opening import open_source

__all__ = ["Frame", "FrameSource", "open_source"]
