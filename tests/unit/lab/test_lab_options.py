from __future__ import annotations

import pytest

from fleetpy_lab.commands import read_metadata
from fleetpy_lab.errors import LabUsageError


def test_metadata_is_given_per_host() -> None:
    given = ("host1:region=eu", "host1:disk=ssd", "host2:url=a:b=c")
    assert read_metadata(given) == {"host1": {"region": "eu", "disk": "ssd"}, "host2": {"url": "a:b=c"}}


@pytest.mark.parametrize("text", ["region=eu", "host1", "host1:region", "host1:=eu"])
def test_metadata_of_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(LabUsageError, match="expected HOST:KEY=VALUE, as in host1:region=eu"):
        read_metadata((text,))
