"""How the values of options read: durations, truth, metadata."""

from __future__ import annotations

import re

from fleetpy.errors import ConfigError
from fleetpy.model.limits import MAX_METADATA_KEY, MAX_METADATA_PAIRS, MAX_METADATA_VALUE

_LONGEST_NUMBER = 18
"""Digits."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_TRUE = {"1", "t", "true", "yes", "on"}
_FALSE = {"0", "f", "false", "no", "off"}


def duration(value: str, origin: str) -> float:
    """Seconds, from `30s`, `1m30s`, `500ms` (Go's time.ParseDuration) or a bare number; raises `ConfigError`."""
    text = value.strip()
    try:
        return _positive(float(text), value, origin)
    except ValueError:
        pass
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"{origin}: {value!r} is not a duration; write it as 10s, 500ms or 1m30s")
    return _positive(sum(float(number) * _UNITS[unit] for number, unit in parts), value, origin)


def _positive(seconds: float, value: str, origin: str) -> float:
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{origin}: {value!r} is not a duration above 0; write it as 10s, 500ms or 1m30s")
    return seconds


def truth(value: str, origin: str) -> bool:
    """True or false, in the spellings that the original and systemd take; raises `ConfigError`."""
    text = value.strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ConfigError(f"{origin}: {value!r} is neither true nor false; write one of the two")


def whole_number(value: str, origin: str) -> int:
    """A whole number of at least 0; raises `ConfigError`."""
    text = value.strip()
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"{origin}: {value!r} is not a whole number; write digits alone")
    if len(text) > _LONGEST_NUMBER:
        raise ConfigError(f"{origin}: a number of {len(text)} digits is too large")
    return int(text)


def metadata(value: str, origin: str) -> dict[str, str]:
    """`key=value` pairs, separated by commas, blanks around either ignored, the last of a key wins.

    The rule is the original's (`deployment-and-configuration.md`); a pair without `=` or with an empty key, which the
    original dropped in silence, raises `ConfigError`.
    """
    pairs: dict[str, str] = {}
    for item in value.split(","):
        if not item.strip():
            continue
        key, equals, content = item.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{origin}: {item.strip()!r} is not key=value; write metadata as region=eu,disk=ssd")
        key, content = key.strip(), content.strip()
        if len(key) > MAX_METADATA_KEY or len(content) > MAX_METADATA_VALUE:
            raise ConfigError(
                f"{origin}: {key[:40]!r} is too long; a key has at most {MAX_METADATA_KEY} characters, "
                f"a value {MAX_METADATA_VALUE}"
            )
        pairs[key] = content
    if len(pairs) > MAX_METADATA_PAIRS:
        raise ConfigError(f"{origin}: {len(pairs)} pairs of metadata are too many; write at most {MAX_METADATA_PAIRS}")
    return pairs
