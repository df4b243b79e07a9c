"""How the refusals of many machines add up into one sentence."""

from __future__ import annotations

from fleetpy.placement.refusal import Refusal, in_words


def lacks(what: str) -> Refusal:
    return Refusal(f"lacks {what}", f"lack {what}", "lack metadata that it asks for")


def runs(name: str) -> Refusal:
    return Refusal(f"runs {name}, which conflicts", f"run {name}, which conflicts", "run units that conflict with it")


def test_nothing_refused_is_nothing_said() -> None:
    assert in_words({}) == ""


def test_one_machine_is_spoken_of_in_the_singular() -> None:
    assert in_words({lacks("region=eu"): 1}) == "1 machine lacks region=eu"


def test_equal_refusals_are_counted() -> None:
    assert in_words({lacks("region=eu"): 3}) == "3 machines lack region=eu"


def test_the_commonest_reason_comes_first() -> None:
    refusals = {runs("web@1.service"): 1, lacks("region=eu"): 3}
    assert in_words(refusals) == "3 machines lack region=eu; 1 runs web@1.service, which conflicts"


def test_equally_common_reasons_come_in_the_order_of_their_words() -> None:
    refusals = {runs("b.service"): 1, runs("a.service"): 1}
    assert in_words(refusals) == "1 machine runs a.service, which conflicts; 1 runs b.service, which conflicts"
    assert in_words(dict(reversed(refusals.items()))) == in_words(refusals)


def test_three_reasons_of_a_kind_are_told_apart() -> None:
    said = in_words({runs(f"web@{number}.service"): 1 for number in range(3)})
    assert said == (
        "1 machine runs web@0.service, which conflicts; 1 runs web@1.service, which conflicts; "
        "1 runs web@2.service, which conflicts"
    )


def test_more_than_three_reasons_of_a_kind_are_counted_together() -> None:
    refusals = {runs(f"web@{number}.service"): 1 for number in range(100)} | {lacks("disk=ssd"): 5}
    assert in_words(refusals) == "100 machines run units that conflict with it; 5 lack disk=ssd"
