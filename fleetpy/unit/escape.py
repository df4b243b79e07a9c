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
    """Any string, as part of a unit name (`systemd-escape`); raises `InvalidUnitNameError` for a NUL."""
    raw = _encode(text)
    _refuse_nul(text)
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

    Raises `InvalidUnitNameError` for a backslash that does not start `\xNN`, and for `\x00`.
    """

    def replace(match: re.Match[bytes]) -> bytes:
        if match.group() == b"-":
            return b"/"
        if match.group(1) is None:
            raise InvalidUnitNameError(f"{text!r} has a backslash that no x and two hexadecimal digits follow")
        return bytes.fromhex(match.group(1).decode())

    plain = _ESCAPED.sub(replace, _encode(text)).decode(errors="surrogateescape")
    _refuse_nul(plain)
    return plain


def _encode(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise InvalidUnitNameError(f"{text!r} is not valid Unicode") from None


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise InvalidUnitNameError(f"{text!r} has a NUL, which no name or path can have")


def escape_path(path: str) -> str:
    """A path, as the name of its mount unit (`systemd-escape --path`): `/` is `-`, `/var/lib` is `var-lib`.

    Slashes that do nothing and `.` components are dropped; raises `InvalidUnitNameError` for a `..` component and
    for a relative path that has nothing else, neither of which names a place.
    """
    components = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in components or (path and not components and not path.startswith("/")):
        raise InvalidUnitNameError(f"path {path!r} cannot be in a name; give the absolute path that it stands for")
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
