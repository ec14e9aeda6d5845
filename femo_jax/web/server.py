"""The HTTP server, in a thread of its own."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from femo_jax.errors import ConfigError, FemoError
from femo_jax.web import protection
from femo_jax.web.app import Site, create_app
from femo_jax.web.protection import TimedProtocol, check_token, is_loopback

_CONNECTIONS = 256
_GRACE = 5  # seconds for which open responses may end
_BACKLOG = 128


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
      host: name or address of this machine.
      port: 0 takes one that is free.
      token: that clients must have; needed where other machines reach the host.
      certificate: PEM file for HTTPS, without which browsers give their camera on the same machine alone.
      key: PEM file of the certificate's key; None where the certificate file has it.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be served, with ConfigError."""
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port is {self.port}; expected 0 to 65535.")
        check_token(self.token, self.host)
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise ConfigError(f"{path}: no such file. Expected a certificate or key as PEM.")

    def listen(self) -> socket.socket:
        """Takes the port, so that one that is in use is reported before anything is loaded.

        Raises:
          FemoError: the port is in use, or the host is none of this machine.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((self.host, self.port))
                listening.listen(_BACKLOG)
            except OSError:
                listening.close()
                raise
        except OSError as error:
            raise FemoError(
                f"{self.host} port {self.port}: cannot be used ({error.strerror}). Choose another --port, or end the"
                " program that has it."
            ) from error
        listening.setblocking(False)
        return listening

    def url(self, listening: socket.socket) -> str:
        """The address of the page."""
        host, port = listening.getsockname()[:2]
        host = "localhost" if is_loopback(host) else f"[{host}]" if ":" in host else host
        return f"http{'s' if self.certificate else ''}://{host}:{port}/"


@contextlib.contextmanager
def serving(site: Site, address: Address, listening: socket.socket) -> Iterator[None]:
    """Serves a site while the block runs; at its end clients are let go, and open responses end within seconds.

    Args:
      site: what is served.
      address: as given to `listening`.
      listening: of `Address.listen`; closed at the end.

    Raises:
      FemoError: the server cannot start, as with a certificate that cannot be read.
    """
    config = uvicorn.Config(
        create_app(site, address.token),
        http=TimedProtocol,
        ws="websockets-sansio",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level=logging.ERROR,  # mistakes of clients are not logged
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=protection.KEEP_ALIVE_TIMEOUT,
        timeout_graceful_shutdown=_GRACE,
        ws_max_size=site.limits.camera_bytes + 1024,
        ws_per_message_deflate=False,  # JPEG is compressed already
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    try:
        config.load()
    except OSError as error:  # which ssl.SSLError is
        listening.close()
        raise FemoError(f"{address.certificate}: not a usable certificate ({error}). Expected PEM files.") from error
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # warns of mistakes of clients
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="femo web", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        if not server.started:
            raise FemoError("the web server could not start.")
        yield
    finally:
        site.view.close()
        server.should_exit = True
        thread.join(2 * _GRACE)
