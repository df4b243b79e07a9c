from __future__ import annotations

from fleetpy_lab.narrator import align


def test_columns_of_a_list_stand_under_each_other() -> None:
    assert align("UNIT\tMACHINE\tACTIVE\nweb@1.service\tab\tactive\n") == (
        "UNIT           MACHINE  ACTIVE\nweb@1.service  ab       active\n"
    )


def test_lines_without_columns_stay_as_they_are_and_widen_nothing() -> None:
    assert align("Unit web@1.service launched on ab\na\tb\n") == "Unit web@1.service launched on ab\na  b\n"


def test_nothing_is_nothing() -> None:
    assert align("") == ""
