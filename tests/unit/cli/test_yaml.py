"""Lists as YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetpy_cli.yaml import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.support.fake_fleetd import FakeFleetd


def test_an_empty_list() -> None:
    assert dump([]) == "[]\n"


def test_words_go_without_quotes_and_everything_else_as_in_json() -> None:
    entry = {
        "unit": "web@1.service",
        "hash": "113e716",
        "desc": "Says: hello # twice\n",
        "no": "Yes",
        "nothing": None,
        "global": False,
        "metadata": {"region": "eu", "disk": "ssd"},
        "none": {},
    }
    assert dump([entry, {"unit": "ä"}]) == (
        '- unit: web@1.service\n  hash: "113e716"\n  desc: "Says: hello # twice\\n"\n  "no": "Yes"\n'
        "  nothing: null\n  global: false\n  metadata:\n    region: eu\n    disk: ssd\n  none: {}\n"
        '- unit: "ä"\n'
    )


def test_a_list_in_yaml(fleetctl_there: Callable[..., Result], fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", "[Service]\nExecStart=/bin/true\n", "launched")
    assert fleetctl_there("list-units", "-o", "yaml", "--fields", "unit,active").stdout == (
        "- unit: hello.service\n  active: active\n"
    )
