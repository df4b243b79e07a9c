r"""Strings and paths inside unit names, as systemd-escape(1) writes and reads them.

A `/` becomes `-`; a byte that a unit name cannot have, a `-`, a backslash and a leading `.` become `\xNN`. Strings
are taken as UTF-8; bytes that are not go through as surrogates (PEP 383), so that nothing is lost either way.
"""

from __future__ import annotations

import re

from fleetpy.errors import InvalidUnitNameError

_PLAIN = frozenset(b":_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})|\\|-")
_SLASH = ord("/")


def escape(text: str) -> str:
    """Any string, as part of a unit name (`systemd-escape`)."""
    raw = text.encode(errors="surrogateescape")
    parts = [_escape_byte(byte) for byte in raw]
    if raw.startswith(b"."):
        parts[0] = "\\x2e"
    return "".join(parts)


def _escape_byte(byte: int) -> str:
    if byte == _SLASH:
        return "-"
    return chr(byte) if byte in _PLAIN else f"\\x{byte:02x}"


def unescape(text: str) -> str:
    r"""The string that was escaped (`systemd-escape --unescape`).

    Raises `InvalidUnitNameError` for a backslash that does not start `\xNN`.
    """

    def replace(match: re.Match[bytes]) -> bytes:
        if match.group() == b"-":
            return b"/"
        if match.group(1) is None:
            raise InvalidUnitNameError(f"{text!r} has a backslash that no x and two hexadecimal digits follow")
        return bytes.fromhex(match.group(1).decode())

    return _ESCAPED.sub(replace, text.encode(errors="surrogateescape")).decode(errors="surrogateescape")


def escape_path(path: str) -> str:
    """A path, as the name of its mount unit (`systemd-escape --path`): `/` is `-`, `/var/lib` is `var-lib`.

    Slashes that do nothing and `.` components are dropped; raises `InvalidUnitNameError` for a `..` component.
    """
    components = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in components:
        raise InvalidUnitNameError(f"path {path!r} has a '..' in it; give the path that it stands for")
    return escape("/".join(components)) or "-"


def unescape_path(text: str) -> str:
    """The absolute path that was escaped (`systemd-escape --path --unescape`).

    Raises `InvalidUnitNameError` where `escape_path` could not have made the text.
    """
    if text == "-":
        return "/"
    components = unescape(text).split("/")
    if not {"", ".", ".."}.isdisjoint(components):
        raise InvalidUnitNameError(f"{text!r} is no escaped path: a part of the path is empty, '.' or '..'")
    return "/" + "/".join(components)
