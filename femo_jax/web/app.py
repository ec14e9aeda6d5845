"""The application: what each path answers. The OpenAPI document in `openapi.py` describes them."""

import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from functools import partial
from importlib.resources import files
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from femo_jax.errors import ConfigError, FemoError, SourceError
from femo_jax.report.palette import class_colors
from femo_jax.web.engine import Engine
from femo_jax.web.metrics import CONTENT_TYPE, Metrics
from femo_jax.web.openapi import document
from femo_jax.web.protection import Guard, RateLimit, problem
from femo_jax.web.settings import Settings, settings_schema
from femo_jax.web.stills import Limits, Stills
from femo_jax.web.view import LiveView, ViewedFrame

PAGE = files("femo_jax.web") / "page"
_ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "faces.js": "text/javascript; charset=utf-8",
    "settings.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEARTBEAT = 2.0  # seconds without a frame after which clients hear of the source all the same
_UPLOAD_TIMEOUT = 30.0  # seconds for the body of a request
_BOUNDARY = "femo-frame"


class _InMemory(MultiPartParser):
    """Uploads stay in memory, whose size is limited: no image is written to a disk."""

    spool_max_size = 1 << 40


class Site:
    """All that the paths need."""

    def __init__(
        self,
        view: LiveView,
        metrics: Metrics,
        stills: Stills | None,
        settings: "SettingsHolder",
        limits: Limits,
        token: str | None,
        secure: bool,
    ) -> None:
        """Keeps the parts together; without `stills`, nothing is recognised for clients."""
        self.view = view
        self.metrics = metrics
        self.stills = stills
        self.settings = settings
        self.limits = limits
        self.secure = secure
        self.guard = Guard(lambda *_: None, token)  # type: ignore[arg-type]
        self._rate = RateLimit(limits.requests_per_second, max(1, round(2 * limits.requests_per_second)))
        self._one_at_a_time = CapacityLimiter(1)
        self._encoders = CapacityLimiter(2)
        self._clients = 0
        self._cameras = 0
        self._waiting = 0

    # The page

    async def index(self, _: Request) -> Response:
        return HTMLResponse((PAGE / "index.html").read_text("utf-8"))

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404)
        return Response((PAGE / name).read_bytes(), media_type=_ASSETS[name])

    async def login_page(self, _: Request) -> Response:
        return HTMLResponse((PAGE / "login.html").read_text("utf-8").replace("{message}", ""))

    async def login(self, request: Request) -> Response:
        if (wait := self._rate.take(f"login {_address(request)}")) > 0:
            return _too_many(wait)
        form = await FormParser(request.headers, _limited(request, 10_000)).parse()
        answer = self.guard.login(str(form.get("token", "")), self.secure)
        if answer is not None:
            return answer
        text = (PAGE / "login.html").read_text("utf-8").replace("{message}", "This token is wrong.")
        return HTMLResponse(text, status_code=403)

    # The API

    async def info(self, _: Request) -> Response:
        from femo_jax import __version__

        names = self.view.class_names
        return JSONResponse(
            {
                "version": __version__,
                "source": self.view.source,
                "class_names": list(names),
                "colors": class_colors(names),
                "camera": self.stills is not None,
                "settings": self.settings.changeable,
            }
        )

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics_text(self, _: Request) -> Response:
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(document(self.limits, self.view.class_names))

    async def faces(self, _: Request) -> Response:
        newest = self.view.newest
        if newest is None:
            return problem(503, self.view.status()["message"])
        return JSONResponse(newest.record | self.view.status())

    async def image(self, _: Request) -> Response:
        newest = self.view.newest
        if newest is None:
            return problem(503, self.view.status()["message"])
        return Response(await self._jpeg(newest), media_type="image/jpeg")

    async def video(self, _: Request) -> Response:
        if self.view.source is None:
            return problem(503, self.view.status()["message"])

        async def parts() -> AsyncGenerator[bytes, None]:
            async for frame in self._frames("video"):
                # After a time without a frame, the last one again: so a client that is gone is noticed.
                shown = frame or self.view.newest
                if shown is not None:
                    jpeg = await self._jpeg(shown)
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    yield head.encode() + jpeg + b"\r\n"

        return self._stream(parts(), f"multipart/x-mixed-replace; boundary={_BOUNDARY}")

    async def events(self, _: Request) -> Response:
        async def lines() -> AsyncGenerator[bytes, None]:
            async for frame in self._frames("events"):
                record = {} if frame is None else frame.record
                yield f"data: {json.dumps(record | self.view.status())}\n\n".encode()

        return self._stream(lines(), "text/event-stream")

    async def predict(self, request: Request) -> Response:
        if self.stills is None:
            return problem(503, "this server recognises no images of clients.")
        if (wait := self._rate.take(_address(request))) > 0:
            return _too_many(wait)
        if self._waiting >= self.limits.waiting:
            return problem(503, "too many images are waiting.", {"retry-after": "1"})
        self._waiting += 1
        try:
            with anyio.fail_after(_UPLOAD_TIMEOUT):
                uploads = await self._uploads(request)
            if not uploads:
                return problem(400, "no image: expected the bytes of one, or files in multipart/form-data.")
            call = partial(self.stills.predict, uploads, self.settings.value, self.limits.pixels)
            predictions = await to_thread.run_sync(call, limiter=self._one_at_a_time)
        except TimeoutError:
            return problem(408, f"the upload took more than {_UPLOAD_TIMEOUT:g} s.")
        except (SourceError, ValueError) as error:
            return problem(422, str(error))
        finally:
            self._waiting -= 1
        self.metrics.images.labels("upload").inc(len(uploads))
        return JSONResponse(predictions)

    async def read_settings(self, _: Request) -> Response:
        return JSONResponse(self._settings_record())

    async def write_settings(self, request: Request) -> Response:
        if not self.settings.changeable:
            return problem(403, "the settings of this server are fixed.")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return problem(415, "expected content of type application/json.")
        body = b"".join([part async for part in _limited(request, 100_000)])
        try:
            self.settings.update(json.loads(body))
        except (ConfigError, ValueError, RecursionError) as error:
            return problem(422, str(error) if isinstance(error, FemoError) else "the settings are not valid JSON.")
        return JSONResponse(self._settings_record())

    def _settings_record(self) -> dict[str, Any]:
        return {"values": self.settings.value.values(), "schema": settings_schema()}

    # WebSockets

    async def live(self, socket: WebSocket) -> None:
        """Gives the newest frame for each `next`: its record, then its picture. No frame waits in a buffer."""
        await socket.accept()
        if not self._admit():
            await socket.close(1013, "too many clients")
            return
        number = 0
        try:
            with self.metrics.client("page"):
                while await _next_text(socket) == "next":
                    frame = await self.view.after(number, _HEARTBEAT)
                    if self.view.closed:
                        await socket.close(1001, "the server ends")
                        return
                    record = {} if frame is None else frame.record
                    await socket.send_json(record | self.view.status() | {"image": frame is not None})
                    if frame is not None:
                        await socket.send_bytes(await self._jpeg(frame))
                        number = self._count_missed("page", number, frame)
                await socket.close(1003, "expected the text: next")
        except (WebSocketDisconnect, RuntimeError):
            return  # the client is gone
        finally:
            self._clients -= 1

    async def camera(self, socket: WebSocket) -> None:
        """Recognises the frames of a browser's camera, one after the other."""
        await socket.accept()
        if self.stills is None or self._cameras >= self.limits.cameras:
            await socket.close(1013, "too many cameras")
            return
        self._cameras += 1
        try:
            with self.metrics.client("camera"):
                stream = await to_thread.run_sync(self.stills.camera, self.settings.value)
                while not self.view.closed:
                    message = await socket.receive()
                    if message["type"] == "websocket.disconnect":
                        return
                    contents = message.get("bytes")
                    if contents is None:
                        await socket.close(1003, "expected frames as binary JPEG")
                        return
                    if len(contents) > self.limits.camera_bytes:
                        await socket.close(1009, f"a frame has more than {self.limits.camera_bytes} bytes")
                        return
                    try:
                        call = partial(stream, contents, self.settings.value, self.limits.camera_pixels)
                        record = await to_thread.run_sync(call, limiter=self._one_at_a_time)
                    except (SourceError, ValueError):
                        await socket.close(1007, "a frame is not an image of the expected size")
                        return
                    self.metrics.images.labels("camera").inc()
                    await socket.send_json(record)
                await socket.close(1001, "the server ends")
        except (WebSocketDisconnect, RuntimeError):
            return  # the client is gone
        finally:
            self._cameras -= 1

    # What they share

    async def _frames(self, kind: str) -> AsyncGenerator[ViewedFrame | None, None]:
        """Each frame that is the newest when the client is ready for it; None where there was none for a while."""
        number = 0
        with self.metrics.client(kind):
            while not self.view.closed:
                frame = await self.view.after(number, _HEARTBEAT)
                if self.view.closed:
                    return
                if frame is not None:
                    number = self._count_missed(kind, number, frame)
                yield frame

    def _count_missed(self, kind: str, number: int, frame: ViewedFrame) -> int:
        if number:
            self.metrics.missed.labels(kind).inc(frame.number - number - 1)
        return frame.number

    def _admit(self) -> bool:
        if self._clients >= self.limits.clients:
            return False
        self._clients += 1
        return True

    def _stream(self, parts: AsyncGenerator[bytes, None], media_type: str) -> Response:
        if not self._admit():
            return problem(503, f"{self.limits.clients} clients are connected already.", {"retry-after": "10"})
        return _Stream(parts, media_type, self._release)

    def _release(self) -> None:
        self._clients -= 1

    async def _jpeg(self, frame: ViewedFrame) -> bytes:
        return await to_thread.run_sync(frame.jpeg, limiter=self._encoders)

    async def _uploads(self, request: Request) -> list[tuple[str, bytes]]:
        """Names and contents of the uploaded files."""
        body = _limited(request, self.limits.upload_bytes)
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            contents = b"".join([part async for part in body])
            return [("image", contents)] if contents else []
        try:
            parser = _InMemory(request.headers, body, max_files=self.limits.files, max_fields=self.limits.files)
            form = await parser.parse()
        except (MultiPartException, KeyError, UnicodeDecodeError) as error:
            raise HTTPException(
                400, f"the multipart body cannot be read ({getattr(error, 'message', error)})."
            ) from error
        uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        return [(each.filename or "image", await each.read()) for each in uploads]


class SettingsHolder:
    """The settings that hold now."""

    def __init__(self, value: Settings, engine: Engine | None = None, changeable: bool = True) -> None:
        """Begins with the settings of the command line; `engine` gets those that follow."""
        self.value = value
        self.changeable = changeable
        self._engine = engine

    def update(self, changes: Any) -> None:
        """Changes some of them.

        Raises:
          ConfigError: a value makes no sense.
        """
        self.value = self.value.updated(changes)
        if self._engine is not None:
            self._engine.settings = self.value


class _Stream(StreamingResponse):
    """A response without end, whose place is freed whatever happens to it."""

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str, release: Callable[[], None]) -> None:
        super().__init__(parts, media_type=media_type)
        self._parts = parts
        self._release = release

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    await self.listen_for_disconnect(receive)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(watch)
                await self.stream_response(send)
                tasks.cancel_scope.cancel()
        finally:
            self._release()
            with anyio.CancelScope(shield=True):
                await self._parts.aclose()


def create_app(site: Site, token: str | None) -> Starlette:
    """The application of a site, behind its guard."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        site.view.attach()
        yield

    routes = [
        Route("/", site.index),
        Route("/login", site.login_page, methods=["GET"]),
        Route("/login", site.login, methods=["POST"]),
        Route("/healthz", site.health),
        Route("/metrics", site.metrics_text),
        Route("/openapi.json", site.openapi),
        Route("/v1/info", site.info),
        Route("/v1/faces", site.faces),
        Route("/v1/image.jpg", site.image),
        Route("/v1/video.mjpeg", site.video),
        Route("/v1/stream", site.events),
        Route("/v1/predict", site.predict, methods=["POST"]),
        Route("/v1/settings", site.read_settings, methods=["GET"]),
        Route("/v1/settings", site.write_settings, methods=["PUT"]),
        WebSocketRoute("/v1/live", site.live),
        WebSocketRoute("/v1/camera", site.camera),
        Route("/{name}", site.asset),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _gone},  # type: ignore[dict-item]
    )
    app.add_middleware(Counted, metrics=site.metrics)
    app.add_middleware(Guard, token=token)
    return app


class Counted:
    """Middleware that counts responses by status."""

    def __init__(self, app: Any, metrics: Metrics) -> None:
        """Wraps an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on."""

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    """Nobody reads it: the client went away in the middle of its upload."""
    return problem(400, "the client disconnected.")


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body of a request, part by part; one that is too long ends in HTTPException."""
    declared = request.headers.get("content-length", "")
    total = int(declared) if declared.isdigit() and len(declared) < 20 else 0
    if total > most:
        raise HTTPException(413, f"the body has {total:,} bytes; expected at most {most:,}.")
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > most:
            raise HTTPException(413, f"the body has more than {most:,} bytes.")
        yield part


async def _next_text(socket: WebSocket) -> str | None:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get("text")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _too_many(seconds: float) -> Response:
    return problem(429, "too many requests.", {"retry-after": str(max(1, round(seconds + 0.5)))})
