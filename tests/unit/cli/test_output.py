"""Output for a person at a terminal."""

from __future__ import annotations

import re

import pytest

from fleetpy_cli.output import Output
from fleetpy_cli.tables import Column, Form, Listing

NAMES: Listing[tuple[str, str]] = Listing(
    columns={
        "name": Column(lambda row, full: row[0] if full else row[0][:3], lambda row: row[0]),
        "state": Column(lambda row, _full: row[1], lambda row: row[1], lambda row: "red" if row[1] == "failed" else ""),
    },
    default=("name", "state"),
    wide=("state", "name"),
    name=lambda row: row[0],
)
ROWS = [("alpha", "active"), ("beta", "failed")]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "40"), ("TERM", "xterm"), ("TTY_COMPATIBLE", "1"), ("TTY_INTERACTIVE", "1")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()]


def test_a_terminal_gets_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    NAMES.show(Output(terminal=True), Form(), ROWS)
    assert lines(capsys.readouterr().out) == ["NAME  STATE", "alp   active", "bet   failed"]


def test_headers_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    NAMES.show(Output(terminal=True), Form(legend=False), ROWS)
    assert lines(capsys.readouterr().out) == ["alp  active", "bet  failed"]


def test_an_empty_list_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    NAMES.show(Output(terminal=True), Form(), [])
    NAMES.show(Output(terminal=True), Form(legend=False), [])
    NAMES.show(Output(terminal=False), Form(), [])
    NAMES.show(Output(terminal=False), Form(legend=False), [])
    assert lines(capsys.readouterr().out) == ["NAME  STATE", "NAME\tSTATE"]


def test_what_does_not_fit_is_cut_off_unless_it_is_wanted_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    row = ("x" * 100, "active")
    NAMES.show(Output(terminal=True), Form(fields="state,name", full=True), [row])
    assert row[0] in capsys.readouterr().out
    long: Listing[tuple[str, str]] = Listing(
        {"name": Column(lambda row, _full: row[0], lambda row: row[0])}, ("name",), ("name",), lambda row: row[0]
    )
    long.show(Output(terminal=True), Form(legend=False), [row])
    assert lines(capsys.readouterr().out) == ["x" * 39 + "…"]


def test_a_colour_says_how_a_unit_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    NAMES.show(Output(terminal=True), Form(), ROWS)
    assert "\x1b[31mfailed" in capsys.readouterr().out


def test_text_with_line_breaks_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    NAMES.show(Output(terminal=False), Form(full=True, legend=False), [("a\tb\\\n  c", "")])
    assert capsys.readouterr().out == "a b c\t-\n"


def test_progress_is_shown_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    for terminal, shown in ((False, False), (True, True)):
        output = Output(terminal=terminal)
        with output.progress("starting", 3) as show:
            show(2)
            output.line("Unit a.service launched")
        captured = capsys.readouterr()
        assert captured.out == "Unit a.service launched\n"
        assert ("starting" in captured.err and "2/3" in captured.err) == shown


def test_one_unit_needs_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(terminal=True).progress("starting", 1) as show:
        show(1)
    assert capsys.readouterr() == ("", "")


def test_warnings_and_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(terminal=False)
    output.line("a result")
    output.warn("odd")
    output.error("bad")
    output.note("by the way")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a result\n", "WARNING: odd\nError: bad\nby the way\n")


def test_colours_can_be_turned_off(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Output(terminal=True).warn("odd")
    assert "\x1b[33mWARNING:\x1b[0m odd" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    Output(terminal=True).warn("odd")
    assert capsys.readouterr().err == "WARNING: odd\n"
