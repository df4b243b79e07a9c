"""What [X-Fleet] asks for, and every way of asking that is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidRequirementError
from fleetpy.ids import MachineID, UnitName
from fleetpy.unit.file import UnitFile, UnitOption
from fleetpy.unit.glob import matches
from fleetpy.unit.name import parse_unit_name
from fleetpy.unit.requirements import OnPartition, Requirements, read_requirements

if TYPE_CHECKING:
    from random import Random

ONE, TWO, THREE = (MachineID(digit * 32) for digit in "12f")


def read(*lines: str, name: str = "web@1.service") -> Requirements:
    """The requirements of a unit with these lines in its [X-Fleet]."""
    file = UnitFile.parse("\n".join(["[Unit]", "Description=x", "[X-Fleet]", *lines, "[Install]", "Global=no"]))
    return read_requirements(parse_unit_name(name), file)


def refuse(message: str, *lines: str, name: str = "web@1.service") -> None:
    with pytest.raises(InvalidRequirementError, match=re.escape(message)):
        read(*lines, name=name)


def units(*names: str) -> tuple[UnitName, ...]:
    return tuple(map(UnitName, names))


def metadata(**pairs: set[str]) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((key, frozenset(values)) for key, values in sorted(pairs.items()))


# What is asked for


def test_a_unit_without_the_section_asks_for_nothing() -> None:
    file = UnitFile.parse("[Service]\nGlobal=true\nMachineOf=a.service\n[x-fleet]\nGlobal=true\n")
    assert read_requirements(parse_unit_name("web.service"), file) == Requirements()
    assert read() == Requirements()


def test_all_that_can_stand_together_is_read() -> None:
    assert read(
        "MachineOf=db.service",
        "MachineMetadata=region=eu",
        "Conflicts=web@*.service",
        "OnPartition=stop",
    ) == Requirements(
        machine_of=units("db.service"),
        metadata=metadata(region={"eu"}),
        conflicts=("web@*.service",),
        on_partition=OnPartition.STOP,
    )


@pytest.mark.parametrize(
    ("lines", "machine"),
    [
        ([f"MachineID={ONE}"], ONE),
        ([f'MachineID="{ONE}" "{TWO}"'], ONE),
        ([f"MachineID={ONE}", f"MachineID={TWO}"], ONE),
        ([f"MachineID={THREE.upper()}"], THREE),
        ([f'X-ConditionMachineID="{ONE}" "{TWO}"'], ONE),
        ([f"X-ConditionMachineID={TWO}", f"MachineID={ONE}"], ONE),
        ([f"X-ConditionMachineBootID={ONE}"], ONE),
        ([f"X-ConditionMachineBootID={ONE}", f"X-ConditionMachineID={TWO}"], TWO),
        ([f"X-ConditionMachineBootID={ONE}", f"MachineID={TWO}"], TWO),
        (["X-ConditionMachineBootID=no-longer-read", f"MachineID={TWO}"], TWO),
        ([f"MachineID={ONE}", "MachineID=", f"MachineID={TWO}"], TWO),
        (["MachineID="], None),
    ],
)
def test_the_first_machine_id_counts_and_the_new_spelling_before_the_old(
    lines: list[str], machine: MachineID | None
) -> None:
    assert read(*lines) == Requirements(machine_id=machine)


def test_a_machine_id_may_come_from_the_units_instance() -> None:
    assert read("MachineID=%i", name=f"pin@{ONE}.service") == Requirements(machine_id=ONE)


@pytest.mark.parametrize(
    ("lines", "leaders"),
    [
        (['MachineOf="lol.service"'], ["lol.service"]),
        (['MachineOf="foo.service" "bar.service"'], ["foo.service", "bar.service"]),
        (["MachineOf=foo.service bar.service"], ["foo.service", "bar.service"]),
        (["MachineOf=foo.service", "X-ConditionMachineOf=bar.service"], ["foo.service", "bar.service"]),
        (["MachineOf=foo.service", "MachineOf=foo.service"], ["foo.service"]),
        (["MachineOf=foo.service", "X-ConditionMachineOf=", "MachineOf=bar.service"], ["bar.service"]),
        (["MachineOf=%p.socket"], ["web.socket"]),
        (["MachineOf=%p-data@%i.service"], ["web-data@1.service"]),
        (["MachineOf=a.service \\", "  b.service"], ["a.service", "b.service"]),
        (["MachineOf=a\\x2db.service"], ["a\\x2db.service"]),
    ],
)
def test_a_unit_may_follow_several(lines: list[str], leaders: list[str]) -> None:
    assert read(*lines) == Requirements(machine_of=units(*leaders))


@pytest.mark.parametrize(
    ("lines", "pairs"),
    [
        (["MachineMetadata=foo=bar"], metadata(foo={"bar"})),
        (['MachineMetadata="foo=bar" "foo=baz"'], metadata(foo={"bar", "baz"})),
        (["MachineMetadata=foo=bar", "MachineMetadata=foo=baz", "MachineMetadata=foo=x"],
         metadata(foo={"bar", "baz", "x"})),
        (['MachineMetadata="foo=bar" "duck=quack"'], metadata(foo={"bar"}, duck={"quack"})),
        (["X-ConditionMachineMetadata=foo=bar"], metadata(foo={"bar"})),
        (["MachineMetadata=foo=bar", "X-ConditionMachineMetadata=foo=asdf"], metadata(foo={"bar", "asdf"})),
        (['MachineMetadata="region=eu" "job=foo"', 'MachineMetadata="region=us" "job=bar"'],
         metadata(region={"eu", "us"}, job={"foo", "bar"})),
        (["MachineMetadata=rack=third from left"], metadata(rack={"third from left"})),
        (['MachineMetadata="a = b"'], metadata(a={"b"})),
        (['MachineMetadata="a=b" \\', '  "c=d"'], metadata(a={"b"}, c={"d"})),
        (["MachineMetadata=hostname=%i"], metadata(hostname={"1"})),
        (["MachineMetadata=a=b", "MachineMetadata=", "MachineMetadata=c=d"], metadata(c={"d"})),
    ],
)  # fmt: skip
def test_metadata_is_gathered_by_key_however_it_is_written(
    lines: list[str], pairs: tuple[tuple[str, frozenset[str]], ...]
) -> None:
    assert read(*lines) == Requirements(metadata=pairs)


@pytest.mark.parametrize(
    ("lines", "patterns"),
    [
        (["Conflicts=*bar*"], ["*bar*"]),
        (["Conflicts=*bar* *foo*"], ["*bar*", "*foo*"]),
        (["Conflicts=*bar*", "Conflicts=*foo*", "Conflicts=*bar*"], ["*bar*", "*foo*"]),
        (["X-Conflicts=a.service", "Conflicts=b.service"], ["a.service", "b.service"]),
        (['Conflicts="a.service" "b.service c.service"'], ["a.service", "b.service", "c.service"]),
        (["Conflicts=%p@*.service", "Conflicts=%n"], ["web@*.service", "web@1.service"]),
        (["Conflicts=a \\", "b"], ["a", "b"]),
        (["Conflicts=a", "Conflicts=", "Conflicts=b"], ["b"]),
        (["Conflicts=a", 'X-Conflicts=""'], []),
    ],
)
def test_conflicts_are_patterns_several_to_a_line_and_on_several_lines(lines: list[str], patterns: list[str]) -> None:
    assert read(*lines) == Requirements(conflicts=tuple(patterns))


def test_a_pattern_may_match_the_unit_that_has_it() -> None:
    assert read("Replaces=web@*.service x.service").replaces == ("web@*.service", "x.service")
    assert read("Conflicts=web@1.service").conflicts == ("web@1.service",)


def test_an_empty_instance_is_no_pattern() -> None:
    assert read("Conflicts=%i", name="web.service") == Requirements()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        *(([f"Global={text}"], True) for text in ("true", "True", "YES", "1", "on", "t", '"true"')),
        *(([f"Global={text}"], False) for text in ("false", "No", "0", "off", "f", "n", "")),
        (["Global=true", "Global=false"], False),
        (["Global=false", "Global=true"], True),
        (["Global=true", "Global="], False),
    ],
)
def test_the_last_global_counts(lines: list[str], expected: bool) -> None:  # noqa: FBT001 (an expectation)
    assert read(*lines) == Requirements(is_global=expected)


def test_a_global_unit_may_choose_by_metadata_and_have_conflicts() -> None:
    assert read("Global=true", "MachineMetadata=a=b", "Conflicts=c") == Requirements(
        is_global=True, metadata=metadata(a={"b"}), conflicts=("c",)
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["OnPartition=stop"], OnPartition.STOP),
        (["OnPartition=keep"], OnPartition.KEEP),
        (["OnPartition=keep", "OnPartition=stop"], OnPartition.STOP),
        (["OnPartition=stop", "OnPartition="], OnPartition.KEEP),
    ],
)
def test_the_last_on_partition_counts(lines: list[str], expected: OnPartition) -> None:
    assert read(*lines) == Requirements(on_partition=expected)


# What is refused


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("Machineof", "did you mean MachineOf?"),
        ("X-ConditionMachineId", "did you mean X-ConditionMachineID?"),
        ("X-ConditionMachineof", "did you mean X-ConditionMachineOf?"),
        ("X-MachineMetadata", "did you mean MachineMetadata?"),
        ("X-Global", "did you mean Global?"),
        ("global", "did you mean Global?"),
        ("Conflict", "did you mean Conflicts?"),
        ("X-ConditionConflicts", "did you mean "),
        ("OnPartitions", "did you mean OnPartition?"),
        ("Quux", "known are MachineID, MachineOf, MachineMetadata, Conflicts, Replaces, Global, OnPartition"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_known(option: str, hint: str) -> None:
    refuse(f"[X-Fleet] has no option {option!r}; {hint}", f"{option}=x")
    refuse(f"[X-Fleet] has no option {option!r}; {hint}", f"{option}=")


@pytest.mark.parametrize("text", ["123", ONE[:8], ONE + "1", "g" * 32, "11111111-1111-1111-1111-111111111111", "%i"])
@pytest.mark.parametrize("spelling", ["MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID"])
def test_a_machine_id_that_is_not_32_hexadecimal_digits_is_refused(spelling: str, text: str) -> None:
    refuse("32 hexadecimal digits", f"{spelling}={text}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("bar", "did you mean bar.service?"),
        ("bar.snapshot", "systemd has dropped"),
        ("b*.service", "the character '*'"),
        ("%p@.service", "a template runs nowhere"),
        ("%n", "MachineOf=web@1.service: the unit names itself"),
        ('"bar.service', "MachineOf: a double quote is not closed"),
    ],
)
def test_a_leader_that_can_never_run_is_refused(value: str, message: str) -> None:
    refuse(message, f"MachineOf={value}")


@pytest.mark.parametrize(
    "pair", ["foo", "foo=", "=asdf", "foo=asdf=WHAT", "a=b c=d", 'a="b"', '"a=b" "c"', 'a=b "c=d"']
)
@pytest.mark.parametrize("spelling", ["MachineMetadata", "X-ConditionMachineMetadata"])
def test_metadata_that_is_no_pair_is_refused(spelling: str, pair: str) -> None:
    refuse("metadata is key=value", f"{spelling}={pair}")


@pytest.mark.parametrize("option", ["Conflicts", "X-Conflicts", "Replaces"])
def test_a_malformed_pattern_is_refused(option: str) -> None:
    refuse(f"{option}: pattern 'a[' is malformed", f"{option}=fine a[")


@pytest.mark.parametrize("value", ["what", "12", "y", "true?"])
def test_a_global_that_is_no_boolean_is_refused(value: str) -> None:
    refuse(f"Global={value} is neither true nor false", f"Global={value}", "Global=true")


@pytest.mark.parametrize("value", ["Stop", "kill", "true"])
def test_an_unknown_answer_to_a_partition_is_refused(value: str) -> None:
    refuse(f"OnPartition={value}: it is keep or stop", f"OnPartition={value}", "OnPartition=stop")


@pytest.mark.parametrize("option", ["Conflicts", "X-Conflicts", "Replaces"])
@pytest.mark.parametrize("pattern", ["bar.service", "b*e", "*", "%p-[a-c].service bar.service"])
def test_a_leader_that_the_unit_will_not_have_is_refused(option: str, pattern: str) -> None:
    refuse("can never hold: it matches the unit's own", "MachineOf=foo.service bar.service", f"{option}={pattern}")
    assert read("MachineOf=foo.service", f"{option}={'bar.service'}").machine_of == ("foo.service",)


COMPATIBLE = {
    "MachineID": ONE,
    "MachineOf": "foo.service",
    "MachineMetadata": "a=b",
    "Conflicts": "bar.service",
    "Replaces": "baz.service",
    "Global": "true",
    "OnPartition": "stop",
}
APART = {
    frozenset(pair)
    for pair in [
        ("MachineID", "MachineOf"),
        ("MachineID", "Conflicts"),
        ("MachineID", "Replaces"),
        ("MachineID", "Global"),
        ("Global", "MachineOf"),
        ("Global", "Replaces"),
        ("Global", "OnPartition"),
        ("Conflicts", "Replaces"),
    ]
}


@pytest.mark.parametrize("one", COMPATIBLE)
@pytest.mark.parametrize("other", COMPATIBLE)
def test_two_options_can_stand_together_or_not(one: str, other: str) -> None:
    lines = [f"{one}={COMPATIBLE[one]}", f"{other}={COMPATIBLE[other]}"]
    if {one, other} in APART:
        refuse("cannot stand in one unit", *lines)
    else:
        assert read(*lines) != Requirements()


@pytest.mark.parametrize("other", ["MachineID", "MachineOf", "Replaces", "OnPartition"])
def test_what_cannot_stand_beside_global_can_stand_beside_its_denial(other: str) -> None:
    assert not read("Global=true", f"{other}={COMPATIBLE[other]}", "Global=no").is_global


def test_old_spellings_are_bound_by_the_same_rules() -> None:
    refuse("MachineID and Conflicts cannot", f"X-ConditionMachineID={ONE}", "X-Conflicts=a")
    refuse("MachineID and MachineOf cannot", f"X-ConditionMachineBootID={ONE}", "X-ConditionMachineOf=a.service")


def test_a_unit_that_replaces_itself_by_name_is_refused() -> None:
    refuse("Replaces=web@1.service: the unit names itself", "Replaces=%n")
    refuse("Replaces=web@1.service: the unit names itself", "Replaces=x.service", "Replaces=web\\@1.service")


# Templates


def test_a_template_leaves_to_its_instances_what_hangs_on_them() -> None:
    lines = ["MachineOf=%p.socket %p-data@%i.service", "MachineMetadata=host=%i", "MachineMetadata=region=eu"]
    assert read(*lines, name="web@.service") == Requirements(
        machine_of=units("web.socket"), metadata=metadata(region={"eu"})
    )
    assert read("MachineID=%i", name="pin@.service") == Requirements()


def test_a_template_is_refused_for_what_holds_for_all_instances() -> None:
    refuse("MachineID and Conflicts cannot", "MachineID=%i", "Conflicts=a", name="pin@.service")
    refuse("32 hexadecimal digits", "MachineID=12", name="pin@.service")
    refuse("has no option", "Machine=%i", name="pin@.service")


# Properties

names = st.sampled_from(["web.service", "web@1.service", "web@.service"])
option_names = st.sampled_from(
    [*COMPATIBLE, "X-ConditionMachineID", "X-ConditionMachineOf", "X-ConditionMachineMetadata", "X-Conflicts", "Other"]
)
odd_values = ["", '"', '""', '"a=b" "c=d"', "*", "web*", "[", "%i", "%n", "%p.socket", "no", "a b", "a \\\n b"]
values = st.sampled_from([*COMPATIBLE.values(), *odd_values]) | st.text(max_size=8)
fleet_options = st.lists(st.builds(UnitOption, st.just("X-Fleet"), option_names, values), max_size=5)


@given(names, fleet_options)
def test_every_section_is_read_or_refused(name: str, options: list[UnitOption]) -> None:
    info = parse_unit_name(name)
    try:
        asked = read_requirements(info, UnitFile(tuple(options)))
    except InvalidRequirementError:
        return
    assert hash(asked) is not None
    assert not any(
        matches(pattern, leader) for pattern in asked.conflicts + asked.replaces for leader in asked.machine_of
    )
    assert not (asked.conflicts and asked.replaces)
    assert not (asked.is_global and (asked.machine_id or asked.machine_of or asked.replaces))
    assert not (asked.machine_id and (asked.machine_of or asked.conflicts or asked.replaces))
    assert [key for key, _ in asked.metadata] == sorted({key for key, _ in asked.metadata})
    assert all(values for _, values in asked.metadata)
    assert name not in asked.machine_of


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1), st.randoms(use_true_random=False)
)
def test_metadata_does_not_depend_on_order_lines_or_spelling(pairs: list[tuple[str, str]], random: Random) -> None:
    texts = [f"{key}={value}" for key, value in pairs]
    one_line = read("MachineMetadata=" + " ".join(f'"{text}"' for text in texts))
    random.shuffle(texts)
    spellings = ["MachineMetadata", "X-ConditionMachineMetadata"]
    assert read(*(f"{random.choice(spellings)}={text}" for text in texts)) == one_line


@given(st.lists(st.sampled_from(["a*", "b?", "[c]", "d.service"])), st.lists(st.sampled_from(["e", "*f"])))
def test_nothing_given_before_an_empty_assignment_counts(before: list[str], after: list[str]) -> None:
    cleared = [*(f"Conflicts={p}" for p in before), "Conflicts=", *(f"Conflicts={p}" for p in after)]
    assert read(*cleared) == read(*(f"Conflicts={p}" for p in after))
