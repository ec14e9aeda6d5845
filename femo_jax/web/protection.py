"""What keeps a server usable and its frames private: token, hosts, origins, headers, rates and slow connections."""

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import h11
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from femo_jax.errors import ConfigError

COOKIE = "femo_token"
SHORTEST_TOKEN = 8
REQUEST_TIMEOUT = 15.0
"""Seconds that a client may take to send the headers of a request."""
KEEP_ALIVE_TIMEOUT = 10
"""Seconds after an answer in which a client may begin its next request."""
WRITE_TIMEOUT = 60.0
"""Seconds after which a client that takes nothing is disconnected."""

_OPEN_PATHS = ("/healthz", "/login", "/style.css")
_HEADERS = {
    # Everything comes from this server; pictures also from memory, as frames of the browser's camera.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer", with which browsers hide the origin of the login's form.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a name or address is reached from the same machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_token(token: str | None, host: str) -> None:
    """Checks the token of a server.

    Raises:
      ConfigError: the token is too short, or there is none and other machines can reach the server.
    """
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"the token has {len(token)} characters; expected at least {SHORTEST_TOKEN}.")
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host} lets other machines see the frames. Set the environment variable FEMO_TOKEN, or give"
            " --token, to a secret that clients must have."
        )


class Guard:
    """Middleware that answers what must not reach the application, and adds headers to every response.

    With a token, every path but `/healthz` and the login needs it: as `Authorization: Bearer TOKEN`, or as the cookie
    that the login sets. Without one, requests must name a loopback host, so that no other site reaches the server by
    a name of its own (DNS rebinding). A request that changes something, and a WebSocket, must not come from another
    site.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        """Wraps an application."""
        self._app = app
        self._token = token
        self._cookie = "" if token is None else hashlib.sha256(b"femo " + token.encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in present)]
            await send(message)

        refusal = self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            await refusal(scope, receive, send_with_headers)

    def login(self, token: str, secure: bool) -> Response | None:
        """The response that lets a browser in; None where the token is wrong."""
        if self._token is None or not _same(token, self._token):
            return None
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict", secure=secure)
        return response

    def _refusal(self, request: HTTPConnection) -> Response | None:
        host = request.headers.get("host", "")
        if self._token is None and not is_loopback(_hostname(host)):
            return problem(421, f"host {host[:80]!r}: expected localhost or a loopback address.")
        writes = request.scope["type"] == "websocket" or request.scope["method"] not in ("GET", "HEAD", "OPTIONS")
        origin = request.headers.get("origin")
        if writes and origin is not None and urlsplit(origin).netloc != host:
            return problem(403, "the request comes from another site.")
        if self._token is None or request.scope["path"] in _OPEN_PATHS or self._knows(request.headers, request.cookies):
            return None
        if request.scope["path"] == "/" and request.scope["type"] == "http":
            return RedirectResponse("/login", status_code=303)
        return problem(401, "the token is missing or wrong.", {"www-authenticate": "Bearer"})

    def _knows(self, headers: Headers, cookies: Mapping[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        by_header = kind.lower() == "bearer" and _same(given.strip(), self._token or "")
        return by_header or _same(cookies.get(COOKIE, ""), self._cookie)


class RateLimit:
    """A token bucket for each client: so many requests a second on average, and a few at once."""

    def __init__(self, per_second: float, burst: int, most_clients: int = 1000) -> None:
        """Begins with full buckets; the clients that were silent the longest are forgotten."""
        self._per_second, self._burst, self._most_clients = per_second, burst, most_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> float:
        """Counts a request; 0 where it is allowed, else the seconds after which the next one is."""
        now = time.monotonic() if now is None else now
        level, since = self._buckets.pop(client, (float(self._burst), now))
        level = min(self._burst, level + (now - since) * self._per_second)
        allowed = level >= 1
        self._buckets[client] = (level - 1 if allowed else level, now)
        if len(self._buckets) > self._most_clients:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self._per_second


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that disconnects clients which do not finish the headers of a request, or take no answer."""

    _headers_due: asyncio.TimerHandle | None = None
    _written_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the clock of the first request."""
        super().connection_made(transport)
        self._headers_due = self.loop.call_later(REQUEST_TIMEOUT, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Stops the clock where the headers are whole; starts it with the first byte of a further request."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel("_headers_due")
        elif self._headers_due is None and self.conn.trailing_data[0]:
            self._headers_due = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def pause_writing(self) -> None:
        """Starts the clock of a client that takes nothing."""
        super().pause_writing()
        self._cancel("_written_due")
        self._written_due = self.loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops it."""
        super().resume_writing()
        self._cancel("_written_due")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops all clocks."""
        self._cancel("_headers_due")
        self._cancel("_written_due")
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection over to the WebSocket's protocol, which has clocks of its own."""
        self._cancel("_headers_due")
        super().handle_websocket_upgrade(event)

    def _cancel(self, name: str) -> None:
        timer = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as all of the API gives it: `{"error": message}`."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def _same(given: str, expected: str) -> bool:
    """Compares in a time that does not depend on where the two differ."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _hostname(host: str) -> str:
    return host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
