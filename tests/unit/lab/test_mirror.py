from __future__ import annotations

from fleetpy_lab.debian import Source, choose_mirror, parse_deb822, parse_list

ONE_LINE = """\
# a comment
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main contrib # why
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
"""

DEB822 = """\
Types: deb deb-src
# http://elsewhere.example/debian
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

types: deb
uris: http://tools.example/apt
suites: bookworm
components: main
"""


def test_one_line_sources_are_read_without_their_options_and_comments() -> None:
    assert parse_list(ONE_LINE) == [
        Source("http://mirror.example/debian", ("bookworm",), ("main", "contrib")),
        Source("http://mirror.example/debian-security", ("bookworm-security",), ("main",)),
    ]


def test_stanzas_are_read_unless_they_are_disabled() -> None:
    assert parse_deb822(DEB822) == [
        Source("http://mirror.example/debian/", ("bookworm", "bookworm-updates"), ("main",)),
        Source("http://tools.example/apt", ("bookworm",), ("main",)),
    ]


def test_the_mirror_is_the_one_of_debian_itself() -> None:
    sources = parse_deb822(DEB822)
    assert choose_mirror(list(reversed(sources)), "bookworm") == "http://mirror.example/debian/"


def test_a_mirror_that_is_not_called_debian_will_do() -> None:
    assert choose_mirror([Source("http://cache.example/d", ("bookworm",), ("main",))], "bookworm") == (
        "http://cache.example/d"
    )


def test_a_machine_of_another_release_has_no_mirror_for_this_one() -> None:
    assert choose_mirror(parse_list(ONE_LINE), "trixie") is None
