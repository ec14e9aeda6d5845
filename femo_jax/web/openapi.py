"""The OpenAPI document of the server."""

from collections.abc import Sequence
from typing import Any

from femo_jax import __version__
from femo_jax.web.settings import settings_schema
from femo_jax.web.stills import Limits


def document(limits: Limits, class_names: Sequence[str]) -> dict[str, Any]:
    """The document, in version 3.1.

    Args:
      limits: stated in the descriptions.
      class_names: of the model.
    """
    paths = {
        "/v1/predict": {"post": _predict(limits)},
        "/v1/faces": {"get": _get("The newest frame of the source and its faces.", _json(_ref("Frame")), _NO_FRAME)},
        "/v1/stream": {
            "get": _get(
                "Server-sent events: one frame with its faces each, as JSON; a client that is slow misses frames."
                " Without frames, an event with the state of the source comes every 2 seconds.",
                {"text/event-stream": {"schema": {"type": "string"}}},
                _BUSY,
            )
        },
        "/v1/image.jpg": {"get": _get("The newest frame, annotated.", _binary("image/jpeg"), _NO_FRAME)},
        "/v1/video.mjpeg": {
            "get": _get(
                "Annotated frames as Motion JPEG; a client that is slow misses frames.",
                _binary("multipart/x-mixed-replace"),
                _NO_FRAME,
            )
        },
        "/v1/info": {"get": _get("Version, source, class names and their colours.", _json({"type": "object"}))},
        "/v1/settings": {
            "get": _get("Settings of detector, search and tracks, with their schema.", _json({"type": "object"})),
            "put": _put_settings(),
        },
        "/healthz": {"get": {**_get("Whether the server answers.", _json({"type": "object"})), "security": []}},
        "/metrics": {
            "get": _get("Metrics in the text format of Prometheus.", {"text/plain": {"schema": {"type": "string"}}})
        },
        "/openapi.json": {"get": _get("This document.", _json({"type": "object"}))},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "femo",
            "version": __version__,
            "description": "Facial emotion recognition. A label is what people would call an image, not what a person"
            " feels. WebSockets: /v1/live gives a frame and its JPEG for each text `next`; /v1/camera takes JPEG"
            " frames and gives the faces of each.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(class_names),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _schemas(class_names: Sequence[str]) -> dict[str, Any]:
    number, integer = {"type": "number"}, {"type": "integer"}
    share = {"type": "number", "minimum": 0, "maximum": 1.0001}
    face = {
        "type": "object",
        "required": ["box", "label", "confidence", "uncertain", "probabilities"],
        "properties": {
            "id": {"type": "integer", "description": "Number of the track; missing in single images."},
            "age": {"type": "number", "description": "Seconds since the track was first seen."},
            "box": {
                "type": "array",
                "items": integer,
                "minItems": 4,
                "maxItems": 4,
                "description": "x, y, width and height in pixels.",
            },
            "label": {"type": "string", "enum": list(class_names)},
            "confidence": share,
            "uncertain": {"type": "boolean"},
            "probabilities": {"type": "object", "additionalProperties": share},
        },
    }
    faces = {"type": "array", "items": _ref("Face")}
    frame = {
        "type": "object",
        "required": ["index", "time", "width", "height", "faces", "state"],
        "properties": {
            "number": integer,
            "index": integer,
            "time": number,
            "width": integer,
            "height": integer,
            "detection_ms": number,
            "inference_ms": number,
            "faces": faces,
            "class_names": {"type": "array", "items": {"type": "string"}},
            "frames_per_second": {"type": ["number", "null"]},
            "latency_ms": {"type": ["number", "null"]},
            "dropped": integer,
            "state": {"enum": ["no source", "starting", "live", "waiting", "ended"]},
            "message": {"type": "string"},
        },
    }
    image = {
        "type": "object",
        "required": ["path", "width", "height", "faces"],
        "properties": {"path": {"type": "string"}, "width": integer, "height": integer, "faces": faces},
    }
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    return {"Face": face, "Frame": frame, "Image": image, "Error": error}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _binary(kind: str) -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "contentMediaType": kind}}}


def _errors(**descriptions: str) -> dict[str, Any]:
    return {
        status.lstrip("_"): {"description": text, "content": _json(_ref("Error"))}
        for status, text in descriptions.items()
    }


_NO_FRAME = _errors(_503="There is no frame yet, no source, or too many clients.")
_BUSY = _errors(_503="Too many clients.")
_DENIED = _errors(_401="The token is missing or wrong.", _403="The request comes from another site.")


def _get(summary: str, content: dict[str, Any], errors: dict[str, Any] | None = None) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": content}, **_DENIED, **(errors or {})}
    return {"summary": summary, "responses": responses}


def _predict(limits: Limits) -> dict[str, Any]:
    summary = (
        f"The faces of an image, or of up to {limits.files} images of {limits.upload_bytes:,} bytes together and"
        f" {limits.pixels:,} pixels each."
    )
    operation = _get(summary, _json({"type": "array", "items": _ref("Image")}))
    operation["requestBody"] = {
        "required": True,
        "content": {
            **_binary("application/octet-stream"),
            **_binary("image/jpeg"),
            **_binary("image/png"),
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
        },
    }
    operation["responses"] |= _errors(
        _400="There is no image, or the body cannot be read.",
        _408="The upload took too long.",
        _413="The body is too long.",
        _422="A file is no image, or has too many pixels.",
        _429="Too many requests.",
        _503="Too many images are waiting.",
    )
    return operation


def _put_settings() -> dict[str, Any]:
    operation = _get("Changes settings for all clients.", _json({"type": "object"}))
    operation["requestBody"] = {"required": True, "content": _json(settings_schema())}
    operation["responses"] |= _errors(
        _413="The body is too long.", _415="The body is not JSON.", _422="A setting does not exist or makes no sense."
    )
    return operation
