"""Which mirror this machine's own apt uses: the lab's hosts are built from the same one.

The formats are those of sources.list(5): one-line (`deb [options] URI suite component…`) and deb822 stanzas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ETC_APT = Path("/etc/apt")
_OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True, slots=True)
class Source:
    """A place that apt fetches from: one URI with its suites and components."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def parse_list(text: str) -> list[Source]:
    """The `deb` lines of a one-line-style file."""
    found = []
    for raw in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", raw.split("#", 1)[0]).split()
        if len(words) >= 3 and words[0] == "deb":  # noqa: PLR2004 - type, URI, suite
            found.append(Source(words[1], (words[2],), tuple(words[3:])))
    return found


def parse_deb822(text: str) -> list[Source]:
    """The stanzas of a `.sources` file that are of type `deb` and enabled."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").strip() == "no":
            continue
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        found += [Source(uri, tuple(suites), tuple(components)) for uri in fields.get("uris", "").split()]
    return found


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t":
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def choose_mirror(sources: list[Source], codename: str) -> str | None:
    """The mirror of Debian's own archive among the sources of a Debian of that codename."""
    archives = [source.uri for source in sources if codename in source.suites and "main" in source.components]
    # Others may use the same suite and component names; Debian's archive is by custom called debian.
    named = [uri for uri in archives if uri.rstrip("/").rsplit("/", 1)[-1] == "debian"]
    return next(iter(named or archives), None)


def system_mirror() -> str | None:
    """The mirror of this machine, or None where it is no Debian or has none: debootstrap then knows a default."""
    release = _os_release()
    if release.get("ID") != "debian" or not release.get("VERSION_CODENAME"):
        return None
    sources: list[Source] = []
    for path in [_ETC_APT / "sources.list", *sorted((_ETC_APT / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            sources += parse_list(text) if path.suffix == ".list" else parse_deb822(text)
    return choose_mirror(sources, release["VERSION_CODENAME"])


def _os_release() -> dict[str, str]:
    if not _OS_RELEASE.is_file():
        return {}
    lines = _OS_RELEASE.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}
