"""docs/performance.md shows what the results beside it say."""

from __future__ import annotations

import re

from benchmarks.page import PAGE, kept, with_table
from benchmarks.report import Target
from benchmarks.results import KEPT


def test_the_table_is_made_of_the_results_that_are_kept() -> None:
    page = PAGE.read_text()
    assert with_table(page, kept()) == page, "run python -m benchmarks.page"


def test_every_plot_on_the_page_is_there_and_every_plot_is_on_the_page() -> None:
    shown = set(re.findall(r"\]\(performance/(\w+\.svg)\)", PAGE.read_text()))
    assert shown == {path.name for path in KEPT.glob("*.svg")}


def test_a_target_that_is_missed_says_so() -> None:
    slow = Target("start", 1.5, 2.0, "x", beside="systemctl 3.5 s")
    assert slow.line() == "  MISSED  start: 2 x; at most 1.5 x; systemctl 3.5 s"
    rate = Target("rate", 100.0, 200.0, "per second", at_least=True)
    assert rate.line() == "  met     rate: 200 per second; at least 100 per second"
    assert Target("start", None, 2.0, "x").line() == "          start: 2 x"
