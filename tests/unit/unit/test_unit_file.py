"""Unit files: reading, canonical text, hash, and what is refused on which line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidUnitFileError
from fleetpy.model.records import UnitFileRecord
from fleetpy.registry.protocol import MAX_REQUEST_BYTES
from fleetpy.unit.file import MAX_OPTIONS, MAX_UNIT_FILE_BYTES, UnitFile, UnitOption
from fleetpy.unit.option import WHITE_SPACE


def options_of(text: str) -> list[tuple[str, str, str]]:
    return [(option.section, option.name, option.value) for option in UnitFile.parse(text).options]


# Reading


def test_options_are_kept_in_order_with_their_repetitions() -> None:
    text = (
        "[Unit]\n;a remark\nDescription = Foo\n\n"
        '[Service]\nExecStart=echo "ping";\nExecStop=echo "pong"\n# another\n  # and one more\nExecStop=echo post\n'
        "ExecStop=\n\n[X-Fleet]\nMachineMetadata=foo=bar\nMachineMetadata=baz=qux\n"
    )
    assert options_of(text) == [
        ("Unit", "Description", "Foo"),
        ("Service", "ExecStart", 'echo "ping";'),
        ("Service", "ExecStop", 'echo "pong"'),
        ("Service", "ExecStop", "echo post"),
        ("Service", "ExecStop", ""),
        ("X-Fleet", "MachineMetadata", "foo=bar"),
        ("X-Fleet", "MachineMetadata", "baz=qux"),
    ]


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ('echo \\\n  "pi\\\n  ng"', 'echo \\\n  "pi\\\n  ng"'),
        ('\\\necho "po\\\nng"', '\\\necho "po\\\nng"'),
        ("echo\\\n#pang", "echo\\\n#pang"),
        ("echo\\\n#peng\\\npung", "echo\\\n#peng\\\npung"),
        ("echo \\\n\n", "echo \\\n"),
        ("echo \\\n \t \n", "echo \\\n"),
        ("echo \\\n", "echo \\\n"),
        ("  echo \\\n  a  ", "echo \\\n  a"),
        ("a \\ b", "a \\ b"),
        ("a\\\\\nb", "a\\\\\nb"),
    ],
)
def test_a_continued_line_is_kept_as_it_stands(lines: str, value: str) -> None:
    assert options_of(f"[Service]\nExecStart={lines}") == [("Service", "ExecStart", value)]


def test_a_blank_line_ends_a_continued_one() -> None:
    assert options_of("[A]\na=1 \\\n\nb=2\n") == [("A", "a", "1 \\\n"), ("A", "b", "2")]


def test_a_comment_that_ends_in_a_backslash_goes_on() -> None:
    text = "# remark \\\n[A]\n[B]\n# a \\ \nx=1 \\\ny=2\nz=3\n"
    assert options_of(text) == [("B", "z", "3")]


def test_white_space_around_everything_does_not_count() -> None:
    text = "\ufeff\n \t[Unit]  \n\u3000  Description \t=\u2003 Foo bar\u00a0 \n"
    assert options_of(text) == [("Unit", "Description", "Foo bar")]


def test_carriage_returns_end_lines_with_line_feeds() -> None:
    text = "# remark\r\n[Service]\r\n\r\nExecStart=a \\\r\n b\r\nExecStop=c\r"
    assert options_of(text) == [("Service", "ExecStart", "a \\\n b"), ("Service", "ExecStop", "c")]


def test_a_name_may_be_anything_before_the_equals_sign() -> None:
    text = "[Service]\n<<<<<<<<<<<=bar\nExec Start=a=b\nx[0]=[y]\n"
    assert options_of(text) == [
        ("Service", "<<<<<<<<<<<", "bar"),
        ("Service", "Exec Start", "a=b"),
        ("Service", "x[0]", "[y]"),
    ]


def test_a_file_of_remarks_and_empty_sections_has_no_options() -> None:
    assert UnitFile.parse("# only\n\n[Unit]\n[Service]\n") == UnitFile.parse("") == UnitFile()
    assert UnitFile().text == ""


def test_a_line_may_be_longer_than_the_originals_two_kibibytes() -> None:
    (option,) = UnitFile.parse("[A]\na=" + "x" * 100_000).options
    assert len(option.value) == 100_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nThis=Refused\n[Unit]\n", "line 2: 'This=Refused' stands before the first section"),
        ("# remark \\\n more\n>>>>\n[Service]\n", "line 3: '>>>>' stands before the first section"),
        ("[Unit]\n\n[Service]\n<<<<<<\n", "line 4: '<<<<<<' is neither an option (name=value) nor a section header"),
        ("[Unit]\nnonsense upon stilts", "line 2: 'nonsense upon stilts' is neither an option"),
        ("[Unit]\na=1 \\\n\nb\n", "line 4: 'b' is neither an option"),
        ("[Unit]\n=1", "line 2: '=1' has no option name before its ="),
        ("[Unit\nDescription=x]\n", "line 1: section header '[Unit' has no ]"),
        ("[Unit] # remark\n", "line 1: section header [Unit] is followed by '# remark'"),
        ("[Unit]\n[]\na=b\n", "line 2: a section without a name"),
        ("[ ]\n", "line 1: a section without a name"),
        ("[A]\na=1 \\ \nb=2\n", "line 2: white space follows the backslash at the end"),
        ("[A]\na=1 \\\n b \\\t\n", "line 3: white space follows the backslash at the end"),
        ("[A]\na=1\nb=2 \\", "line 3: the file ends after a backslash"),
        ("[A]\na=1 \\\n2 \\", "line 3: the file ends after a backslash"),
        ("[A]\n\na=\0\n", "line 3: a NUL character"),
        ("[A]\na=1\rExecStart=evil\n", "line 2: a carriage return in the middle"),
        ("[A]\r[B]\ra=1", "line 1: a carriage return in the middle"),
        ("[A]\n\na=\ud800\n", "line 3: not valid Unicode"),
    ],
)
def test_what_means_nothing_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidUnitFileError, match=re.escape(message)) as refusal:
        UnitFile.parse(text)
    assert f"line {refusal.value.line}: " in message


def test_a_long_line_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidUnitFileError) as refusal:
        UnitFile.parse("x" * 5000)
    assert len(str(refusal.value)) < 200


def test_a_file_has_at_most_half_a_mebibyte() -> None:
    full = "[A]\na=" + "x" * (MAX_UNIT_FILE_BYTES - 7) + "\n"
    assert UnitFile.parse(full).text == full
    with pytest.raises(InvalidUnitFileError, match="524289 bytes"):
        UnitFile.parse(full + "#")
    with pytest.raises(InvalidUnitFileError, match="more than the 524288"):
        UnitFile.parse("# " + "é" * (MAX_UNIT_FILE_BYTES // 2))


def test_the_limit_holds_for_the_canonical_text_too() -> None:
    short = "[A]\na=1\n" + "[B]\nb=" + "x" * (MAX_UNIT_FILE_BYTES - 16) + "\n"
    assert len(short) < MAX_UNIT_FILE_BYTES
    UnitFile.parse(short)
    with pytest.raises(InvalidUnitFileError, match="524289 bytes"):
        UnitFile.parse(short.replace("x\n", "xx\n"))
    with pytest.raises(InvalidUnitFileError, match="more than the 524288"):
        UnitFile.from_options([UnitOption("A", "a", "x" * MAX_UNIT_FILE_BYTES)])


# Canonical text and hash


def test_the_canonical_text_gathers_each_section_where_it_first_appears() -> None:
    file = UnitFile.parse("#x\n[B]\nb=1\nb=\n\n\n[A]\n[C]\nc = 1\\\n  2\n[B]\n b=3\n")
    assert file.text == "[B]\nb=1\nb=\nb=3\n\n[C]\nc=1\\\n  2\n"
    assert [option.value for option in file.options] == ["1", "", "3", "1\\\n  2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Hashes that the original's own tests and documents state.
        ("[Service]\nExecStart=/bin/sleep 100\n", "1c6fb6f3684bafb0c173d8b8b957ceff031180c1"),
        ("\n[Service]\nExecStart=/usr/bin/sleep infinity\n", "40ea6646945809f4b420a50475ee68503088f127"),
        ("[Service]\nExecStart=/usr/bin/sleep infinity", "40ea6646945809f4b420a50475ee68503088f127"),
        ("[Service]\nExecStart=/usr/bin/sleep 10", "5bf16b98c62f35fcdc723d32989cdeba7a2dd2a8"),
        ("[Service]\nExecStart=/usr/bin/sleep 2000", "5ba5292ab6a82b623ee6086dc90b3354ba004832"),
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ],
)
def test_the_hash_is_the_originals(text: str, expected: str) -> None:
    assert UnitFile.parse(text).hash == expected


def test_the_hash_of_the_originals_hello_is_the_documented_one() -> None:
    text = (
        "[Unit]\nDescription=Hello World\n\n"
        '[Service]\nExecStart=/bin/bash -c "while true; do echo \\"Hello, world\\"; sleep 1; done"\n'
    )
    assert UnitFile.parse(text).hash.startswith("e55c0ae")


def test_layout_makes_no_difference_to_the_hash() -> None:
    tidy = "[Unit]\nDescription=x\n\n[Service]\nExecStart=a \\\n  b\nExecStart=c\n"
    untidy = (
        "# hi\n [Unit]\r\n\r\nDescription =  x \n[Service]\n;\nExecStart=a \\\n  b\n[Install]\n[Service]\nExecStart=c"
    )
    assert UnitFile.parse(untidy).hash == UnitFile.parse(tidy).hash == "dc544b3f931f289d12e89aadfbcef71f6c19939a"


def test_values_are_those_of_one_option_in_one_section() -> None:
    file = UnitFile.parse("[A]\nx=1\ny=2\nx=\n[B]\nx=3\n[A]\nx=4\n")
    assert file.values("A", "x") == ("1", "", "4")
    assert file.values("B", "y") == ()


def test_the_description_is_the_first_one_of_the_unit_section() -> None:
    assert UnitFile.parse("[Service]\nDescription=no\n[Unit]\nDescription=Foo\nDescription=Bar").description == "Foo"
    assert UnitFile.parse("[Unit]\nAfter=x\n").description == ""


# Options as the API gets them


def test_options_make_the_same_file_as_their_text() -> None:
    options = [UnitOption("Service", "ExecStart", "a \\\n b"), UnitOption("Service", "Restart", "")]
    assert UnitFile.from_options(options) == UnitFile.parse("[Service]\nExecStart=a \\\n b\nRestart=\n")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (("", "a", "b"), "section's name is empty"),
        ((" ", "a", "b"), "section's name is empty"),
        (("A]", "a", "b"), "a ], a line break"),
        (("A\nB", "a", "b"), "a ], a line break"),
        (("A", "", "b"), "option's name is empty"),
        (("A", " a", "b"), "begins or ends with white space"),
        (("A", "a\u00a0", "b"), "begins or ends with white space"),
        (("A", "a=b", "c"), "a =, a line break"),
        (("A", "a\nb", "c"), "a =, a line break"),
        (("A", "a\0b", "c"), "a =, a line break"),
        (("A", "#a", "b"), "cannot begin with '#'"),
        (("A", ";a", "b"), "cannot begin with ';'"),
        (("A", "[a", "b"), "cannot begin with '['"),
        (("A", "a", "b\0"), "carriage return or a NUL"),
        (("A", "a", "b\rc"), "carriage return or a NUL"),
        (("A", "a", "b\n[B]\nc=d"), "line break without a backslash"),
        (("A", "a", "b\n"), "line break without a backslash"),
        (("A", "a", "\n"), "line break without a backslash"),
        (("A", "a", "b\\\n\n"), "line break without a backslash"),
        (("A", "a", "b\\"), "ends in a backslash"),
        (("A", "a", "b\\\nc\\"), "ends in a backslash"),
        (("A", "a", " b"), "begins or ends with white space"),
        (("A", "a", "b "), "begins or ends with white space"),
        (("A", "a", "b\\\n "), "begins or ends with white space"),
        (("A", "a", " b\\\n"), "begins or ends with white space"),
    ],
)
def test_an_option_that_a_file_would_not_give_back_is_refused(option: tuple[str, str, str], problem: str) -> None:
    with pytest.raises(InvalidUnitFileError, match=re.escape(problem)):
        UnitFile.from_options([UnitOption("Unit", "Description", "fine"), UnitOption(*option)])


def test_an_option_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidUnitFileError, match="not valid Unicode"):
        UnitFile.from_options([UnitOption("A", "a", "\ud800")])


# Limits


def test_a_file_has_so_many_options() -> None:
    text = "[A]\n" + "a=\n" * MAX_OPTIONS
    assert len(UnitFile.parse(text).options) == MAX_OPTIONS
    with pytest.raises(InvalidUnitFileError, match="the unit file has 10001 options, more than the 10000"):
        UnitFile.parse(text + "b=\n")
    with pytest.raises(InvalidUnitFileError, match="the unit file has 10001 options, more than the 10000"):
        UnitFile.from_options([UnitOption("A", "a", "")] * (MAX_OPTIONS + 1))


@pytest.mark.parametrize(("section", "name"), [("s" * 256, "n"), ("s", "n" * 256)])
def test_names_in_a_file_are_so_long(section: str, name: str) -> None:
    assert UnitFile.parse(f"[{section[:255]}]\n{name[:255]}=1\n").options
    with pytest.raises(InvalidUnitFileError, match=r"^line [12]: .*has 256 characters, more than the 255"):
        UnitFile.parse(f"[{section}]\n{name}=1\n")
    with pytest.raises(InvalidUnitFileError, match=r"has 256 characters, more than the 255"):
        UnitFile.from_options([UnitOption(section, name, "1")])


def test_a_file_that_is_far_longer_as_json_is_refused() -> None:
    quotes = "[A]\na=" + '"' * (MAX_UNIT_FILE_BYTES - 100) + "\n"
    assert len(UnitFileRecord(text=UnitFile.parse(quotes).text).encode()) < MAX_REQUEST_BYTES
    with pytest.raises(InvalidUnitFileError, match="bytes as JSON, more than the 1048576 that it may take"):
        UnitFile.parse("[A]\na=" + "\1" * 200_000 + "\n")


# Properties

marks = [
    "[",
    "]",
    "=",
    "#",
    ";",
    '"',
    "\\",
    " ",
    "\t",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\x1c",
    "\0",
    "\u3000",
    "\ufeff",
]
lines = ["[A]", "[B]", "a", "b=", "c d", "é", "\\\n", "a=1\n", "X=y \\\n z\n", "# remark\n"]
pieces = st.sampled_from([*marks, *lines])
texts = st.lists(pieces, max_size=20).map("".join)
texts_with_options = texts.map("[A]\n".__add__)
characters = st.sampled_from([*"ab=[]#; \t\\\n\r\0é", *WHITE_SPACE, "\ud800", "\ufeff"])
fields = st.text("ab", min_size=1, max_size=2) | st.text(characters, max_size=5)
some_options = st.lists(st.builds(UnitOption, fields, fields, fields), max_size=6)


@given(texts | texts_with_options | st.text())
def test_the_canonical_text_reads_as_the_same_file(text: str) -> None:
    try:
        file = UnitFile.parse(text)
    except InvalidUnitFileError:
        return
    again = UnitFile.parse(file.text)
    assert again == file
    assert again.text == file.text
    assert UnitFile.from_options(file.options) == file


@given(texts | texts_with_options | st.text())
def test_every_text_is_a_unit_file_or_refused_with_one_of_its_lines(text: str) -> None:
    try:
        UnitFile.parse(text)
    except InvalidUnitFileError as error:
        refusal = error
    else:
        return
    assert refusal.line in range(1, text.count("\n") + 2)


@given(some_options)
def test_accepted_options_survive_the_file(options: list[UnitOption]) -> None:
    try:
        file = UnitFile.from_options(options)
    except InvalidUnitFileError:
        return
    assert sorted(file.options) == sorted(options)
    assert UnitFile.parse(file.text) == file


@given(some_options)
def test_options_of_one_section_keep_their_order(options: list[UnitOption]) -> None:
    try:
        file = UnitFile.from_options(options)
    except InvalidUnitFileError:
        return
    for section in {option.section for option in options}:
        assert [o for o in file.options if o.section == section] == [o for o in options if o.section == section]
    sections = list(dict.fromkeys(option.section for option in options))
    assert list(dict.fromkeys(option.section for option in file.options)) == sections


@given(fields, fields, fields)
def test_no_option_is_refused_that_a_file_would_give_back(section: str, name: str, value: str) -> None:
    option = UnitOption(section, name, value)
    written = f"[{section}]\n{name}={value}\n"
    try:
        survives = UnitFile.parse(written).options == (option,) and UnitFile.parse(written + "z=1\n").options == (
            option,
            UnitOption(section, "z", "1"),
        )
    except InvalidUnitFileError:
        survives = False
    if survives:
        assert UnitFile.from_options([option]).text == written
    else:
        with pytest.raises(InvalidUnitFileError):
            UnitFile.from_options([option])
