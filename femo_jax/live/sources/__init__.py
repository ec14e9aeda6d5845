"""Where frames come from; `open_source` takes whatever a user names."""

from femo_jax.live.sources.frame import Frame, Source
from femo_jax.live.sources.opening import open_source

__all__ = ["Frame", "Source", "open_source"]
