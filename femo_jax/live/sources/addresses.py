"""Addresses of streams and files on the network: which ones femo opens, and how messages show them."""

import os
import re

from femo_jax.files import printable

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Of the addresses that femo opens."""

_HIDDEN = "***"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PARTS = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):(/*)(.*)", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\]|[\w.-]+)(:[0-9]{1,5})?")


def is_address(spec: str) -> bool:
    """Whether a source is named by an address such as `rtsp://host/stream`, and not by a path."""
    return _ADDRESS.match(spec) is not None


def host_of(address: str) -> str | None:
    """Host and port of an address; None if it is invalid, as where a password has a `/` or `#` that is not encoded."""
    authority = re.split(r"[/?#]", address.partition("://")[2], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    return host if _HOST.fullmatch(host) else None


def redacted(spec: str | os.PathLike[str]) -> str:
    """The name of a source for messages, window titles and logs: an address without its secrets.

    User and password, the values of the query and of settings in the path (`/user=admin_password=...`) and the
    fragment become `***`. Of an address that could be read in several ways, only scheme and host are left. A path is
    returned as `femo_jax.files.printable` shows it.
    """
    match = _PARTS.fullmatch(os.fspath(spec))
    if match is None or not (match[2].startswith("//") or match[1].lower() in SCHEMES):
        return printable(spec)
    scheme, slashes, rest = match[1], match[2], match[3]
    authority, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    user, at, host = authority.rpartition("@")
    ambiguous = "@" in path and not at  # a password with a / or # in it, perhaps
    if ambiguous or "@" in user or not _HOST.fullmatch(host):
        host = re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0] if "@" in rest else ""
        shown = host if _HOST.fullmatch(host) else ""
        return printable(f"{scheme}:{slashes}{_HIDDEN}{'@' if shown else ''}{shown}")
    path, hash_sign, _ = path.partition("#")
    path, question_mark, query = path.partition("?")
    path = re.sub(r"=[^/]*", f"={_HIDDEN}", path)
    query = "&".join(_without_value(part) for part in re.split("[&;]", query)) if question_mark else ""
    fragment = f"#{_HIDDEN}" if hash_sign else ""
    credentials = f"{_HIDDEN}@" if at else ""
    return printable(f"{scheme}:{slashes}{credentials}{host}{path}{question_mark}{query}{fragment}")


def _without_value(part: str) -> str:
    key, equals, _ = part.partition("=")
    return f"{key}={_HIDDEN}" if equals else _HIDDEN
