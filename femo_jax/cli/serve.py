"""`femo serve`: a source with its faces as a web page, and recognition as an HTTP API."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from femo_jax.cli.arguments import Flag, OptionalFile, OptionalModel, PriorOption
from femo_jax.cli.console import note
from femo_jax.cli.parsing import default_hint, parse
from femo_jax.errors import ConfigError
from femo_jax.files import printable
from femo_jax.live.config import DetectorConfig, SearchConfig, TrackConfig
from femo_jax.prior import DEFAULT_PRIOR, parse_prior

if TYPE_CHECKING:
    from femo_jax.live.sources.frame import FrameSource

TOKEN_VARIABLE = "FEMO_TOKEN"


@dataclass(frozen=True)
class Options:
    """Serve a live view of a source, and an API that recognises images, over HTTP.

    Example: femo serve 0 --port 8080
    """

    source: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[SOURCE]", help_behavior_hint=default_hint)
    ] = None
    """Camera number, address (rtsp://, http://), clip or folder of images; without one, the page offers the browser's
    camera alone."""
    host: Annotated[str, tyro.conf.arg(metavar="HOST")] = "127.0.0.1"
    """Name or address to listen on; one that other machines reach needs a token."""
    port: Annotated[int, tyro.conf.arg(metavar="PORT")] = 8080
    """Port to listen on; 0 takes a free one."""
    token: Annotated[str | None, tyro.conf.arg(metavar="TOKEN", help_behavior_hint=default_hint)] = None
    """Secret that clients must have, at least 8 characters; the environment variable FEMO_TOKEN keeps it out of the
    list of processes."""
    certificate: OptionalFile = None
    """Serve HTTPS with this certificate (PEM); browsers of other machines give their camera over HTTPS alone."""
    key: OptionalFile = None
    """Key of the certificate (PEM), where it is in another file."""
    fixed_settings: Flag = False
    """Clients must not change the settings of detector and tracks."""
    once: Flag = False
    """Play a clip once; else it begins again at its end."""
    mirror: Flag = False
    """Mirror the frames, as a selfie camera does."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="WIDTH HEIGHT")] = None
    """Frame size in pixels to request from a camera."""
    rate: Annotated[float | None, tyro.conf.arg(metavar="FPS")] = None
    """Frames per second to request from a camera, or at which images are played as a clip."""
    model: OptionalModel = None
    prior: PriorOption = DEFAULT_PRIOR
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)

    def __post_init__(self) -> None:
        """Refuses what cannot be done, with ConfigError."""
        if self.key is not None and self.certificate is None:
            raise ConfigError("--key needs --certificate.")


def run(options: Options) -> int:
    """Serves until a signal ends it; 128 + signal."""
    import uvicorn  # noqa: F401  the extra `web` is missing: reported before anything is loaded

    from femo_jax.live.recognizer import EmotionRecognizer
    from femo_jax.signals import stop_request
    from femo_jax.web.app import SettingsHolder, Site
    from femo_jax.web.engine import Engine
    from femo_jax.web.metrics import Metrics
    from femo_jax.web.server import Address, serving
    from femo_jax.web.settings import Settings
    from femo_jax.web.stills import Limits, Stills
    from femo_jax.web.view import LiveView

    token = options.token if options.token is not None else os.environ.get(TOKEN_VARIABLE) or None
    address = Address(options.host, options.port, token, options.certificate, options.key)
    with ExitStack() as stack:
        listening = stack.enter_context(address.listen())
        source: FrameSource | None = None
        if options.source is not None:
            source = _open(options)
            stack.callback(source.close)
        recognizer = EmotionRecognizer.load(options.model, options.detector, prior=parse_prior(options.prior))
        recognizer.compile()  # no client has to wait for it
        metrics, settings = Metrics(), Settings(options.detector, options.search, options.track)
        view = LiveView(_title(options.source), recognizer.class_names)
        engine = Engine(recognizer, view, metrics, settings, mirror=options.mirror, loop=not options.once)
        site = Site(
            view,
            metrics,
            Stills(recognizer, settings),
            SettingsHolder(settings, engine, changeable=not options.fixed_settings),
            Limits(),
            token,
            options.certificate is not None,
        )
        stop = stack.enter_context(stop_request())
        stack.enter_context(serving(site, address, listening))
        note(f"serving on {address.url(listening)}; Ctrl-C ends it")
        engine.run(source, partial(_open, options), stop)
    note("ended")
    return 128 + stop.signum


def _title(source: str | None) -> str | None:
    """The source as clients read it: without secrets and folders of the server."""
    from femo_jax.live.sources.addresses import redacted

    if source is None or not Path(source).exists():
        return None if source is None else redacted(source)
    return printable(Path(source).name or source)


def _open(options: Options) -> "FrameSource":
    """Opens the source; a live one then opens itself again, as long as it takes."""
    from femo_jax.live.sources import open_source

    return open_source(options.source or "", size=options.size, rate=options.rate, give_up_after=float("inf"))


def main(argv: list[str]) -> int:
    """Runs `femo serve`; returns the exit code."""
    return run(parse(Options, "femo serve", argv))
