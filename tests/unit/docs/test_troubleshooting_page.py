"""What the page on troubleshooting quotes is what the programs say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAMS = ("fleetpy", "agent", "scheduler", "api", "cli")


def test_every_message_that_the_page_quotes_is_said_by_a_program() -> None:
    texts = (path.read_text() for program in PROGRAMS for path in sorted((ROOT / program).rglob("*.py")))
    said = re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(texts))
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    quoted = [part for row in rows for message in re.findall(r"`([^`]+)`", row) for part in message.split("…")]
    messages = [part.strip() for part in quoted if not re.match(r"fleetctl |failed$|OnPartition|/", part)]
    assert len(messages) > 15
    assert [message for message in messages if message and message not in said] == []
