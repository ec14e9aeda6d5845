"""Where frames come from: a camera, a network stream, a clip or images; `open_source` opens what a user names."""

import os
import re
from pathlib import Path

from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.sources.addresses import is_address, redacted
from femo_jax.live.sources.frame import Frame, FrameSource
from femo_jax.live.sources.images import ImageSource, content_kind, find_images
from femo_jax.live.sources.live import camera_number, open_camera

__all__ = ["Frame", "FrameSource", "open_source"]

_HIGHEST_CAMERA = 255  # the most that Linux has


def open_source(
    spec: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    rate: float | None = None,
    give_up_after: float = 30.0,
    timeout: float = 10.0,
) -> FrameSource:
    """Opens what a user names.

    Live sources, which are cameras and network streams, hand over their newest frame only and are opened again
    when they vanish; clips and images hand over every frame.

    Args:
      spec: `0` or `/dev/video0` is a camera, `rtsp://...` or `http://...` a network stream; else the path of a
        clip, of an image or of a folder of images, or a pattern such as `holiday/*.jpg`.
      size: width and height to ask a camera for, in pixels; else it chooses.
      rate: frames a second, to ask a camera for; images with a rate follow each other like the frames of a clip.
        Streams and clips have their own.
      give_up_after: seconds without a frame until a live source is given up; `math.inf` never gives up.
      timeout: seconds that a network stream may take to answer.

    Raises:
      SourceError: there is no such thing, or nothing in it that can be read.
      ConfigError: a number makes no sense.
    """
    _check(size, rate, give_up_after, timeout)
    word = os.fspath(spec)
    path = Path(word)
    camera = int(word) if re.fullmatch(r"[0-9]{1,4000}", word) else camera_number(path)
    if camera is not None and camera > _HIGHEST_CAMERA:
        raise SourceError(f"camera {word}: no such camera; expected a number from 0 to {_HIGHEST_CAMERA}.")
    if camera is not None:
        return open_camera(camera, size, rate, give_up_after)
    if is_address(word):
        from femo_jax.live.sources.network import open_network  # its HTTP client is slow to import

        return open_network(word, give_up_after, timeout)
    if word and path.is_dir():
        return ImageSource(find_images(word), rate)
    if word and path.exists():
        return _open_file(path, rate)
    if any(character in word for character in "*?["):
        return ImageSource(find_images(word), rate)
    raise SourceError(
        f"{redacted(word)!r}: no such file. Expected the number of a camera, an address such as rtsp://host/stream, or"
        " the path of a clip, an image or a folder of images."
    )


def _open_file(path: Path, rate: float | None) -> FrameSource:
    """Opens an image or a clip; its content decides, not its suffix."""
    kind = content_kind(path)
    if kind == "image":
        return ImageSource([path], rate)
    from femo_jax.live.sources.clips import AnimationSource, open_clip

    if kind == "animated webp":
        return AnimationSource(path)
    return open_clip(path, file_format="mjpeg" if kind == "raw mjpeg" else None)


def _check(size: tuple[int, int] | None, rate: float | None, give_up_after: float, timeout: float) -> None:
    if size is not None and not (len(size) == 2 and all(side >= 1 for side in size)):
        raise ConfigError(f"size is {size!r}; expected width and height in pixels.")
    if rate is not None and not 0 < rate <= 1000:
        raise ConfigError(f"rate is {rate!r}; expected frames a second, above 0 and at most 1000.")
    if not give_up_after >= 1:
        raise ConfigError(f"give_up_after is {give_up_after!r}; expected at least 1 second.")
    if not 0.1 <= timeout <= 3600:
        raise ConfigError(f"timeout is {timeout!r}; expected 0.1 to 3600 seconds.")
