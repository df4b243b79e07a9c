"""What pages name is there: tests, and the words that the product says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ETCD = (ROOT / "docs" / "operating-etcd.md").read_text()


@pytest.mark.parametrize(("page", "least"), [("migrating-from-fleet.md", 50), ("operating-etcd.md", 9)])
def test_every_test_that_a_page_names_exists(page: str, least: int) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text()))
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert len(named) > least
    assert named - defined == set()


OTHERS_WORDS = {"Connection refused", "authentication failed, invalid user ID or password", "user name is empty"}
"""etcd's and gRPC's own, as they come through."""


def test_the_messages_that_the_page_on_etcd_explains_are_the_products() -> None:
    rows = ETCD.partition("## By symptom")[2].splitlines()
    messages = {
        words for row in rows if row.startswith("| `") for words in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    }
    said = "".join(
        file.read_text()
        for folder in ("fleetpy", "agent", "scheduler", "api")
        for file in sorted((ROOT / folder).rglob("*.py"))
    )
    # As the source has them: what is filled in stands for anything, and long sentences are cut.
    source = re.sub(r'"\s*\n\s*f?"', "", said)
    source = re.sub(r"\{[^{}]*\}|%[sdxg]|\d+(?:\.\d+)*", "…", source)
    missing = set()
    for message in messages - OTHERS_WORDS:
        parts = [part.strip() for part in re.split(r"…|\d+(?:\.\d+)*", message)]
        if not all(part in source for part in parts if part):
            missing.add(message)
    assert len(messages) > 20
    assert missing == set()
