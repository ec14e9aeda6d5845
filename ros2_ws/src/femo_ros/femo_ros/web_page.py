"""The page of `femo serve`, with the node's images and faces."""

import os
from contextlib import ExitStack

from femo_jax.errors import ConfigError
from femo_ros.outputs import Answer
from femo_ros.parameters import NodeConfig

TOKEN_VARIABLE = "FEMO_TOKEN"


class WebPage:
    """A server in threads of its own; clients see the newest frame, and cost recognition nothing but its drawing."""

    def __init__(self, host: str, port: int, name: str, class_names: tuple[str, ...]) -> None:
        """Start to serve; settings are parameters of the node, and clients cannot change them.

        Args:
          host: name or address to listen on.
          port: 0 takes a free one.
          name: of the node, shown as the source.
          class_names: of the model.

        Raises:
          ConfigError: femo's extra web is not installed, or the host needs a token.
          FemoError: the port is in use.
        """
        try:
            from femo_jax.web.app import SettingsHolder, Site
            from femo_jax.web.metrics import Metrics
            from femo_jax.web.server import Address, serving
            from femo_jax.web.settings import Settings
            from femo_jax.web.stills import Limits
            from femo_jax.web.view import LiveView
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"web is true, and {error.name} is not installed; expected femo's extra: pip install 'femo-jax[web]'."
            ) from error
        token = os.environ.get(TOKEN_VARIABLE) or None
        address = Address(host, port, token)
        self._view = LiveView(name, class_names)
        self._metrics = Metrics()
        settings = SettingsHolder(Settings(), changeable=False)
        site = Site(self._view, self._metrics, None, settings, Limits(), token, secure=False)
        listening = address.listen()
        self.url = address.url(listening)
        self._serving = ExitStack()
        self._serving.enter_context(serving(site, address, listening))
        self._frames = 0

    def publish(self, answer: Answer, rate: float | None, latency: float | None) -> None:
        """Show a frame.

        Args:
          answer: the frame and its faces.
          rate: frames a second just now.
          latency: from the image to its faces, in seconds.
        """
        self._metrics.add(answer.result, 1000 * (latency or 0.0), 0)
        milliseconds = None if latency is None else 1000 * latency
        self._view.publish(
            self._frames, answer.frame.bgr, answer.result, frames_per_second=rate, latency_ms=milliseconds
        )
        self._frames += 1

    def close(self) -> None:
        """Let clients go and free the port."""
        self._serving.close()


def open_page(config: NodeConfig, name: str, class_names: tuple[str, ...]) -> WebPage | None:
    """Return the page of a node; None where it has none."""
    return WebPage(config.web_host, config.web_port, name, class_names) if config.web else None
