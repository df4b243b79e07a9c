"""Unit names, their parts, and which of them are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpy.errors import InvalidUnitNameError
from fleetpy.unit.name import (
    MAX_NAME_BYTES,
    TEMPLATE_TYPES,
    UNIT_TYPES,
    UnitNameInfo,
    parse_unit_name,
    with_default_suffix,
)

CHARACTERS = "abcXYZ019:-_.\\"

plain_parts = st.text(CHARACTERS, min_size=1, max_size=30)
instances = st.text(CHARACTERS + "@", min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "name", "prefix", "instance", "template"),
    [
        ("foo.service", "foo", "foo", None, None),
        ("foo@.service", "foo@", "foo", None, "foo@.service"),
        ("foo@bar.service", "foo@bar", "foo", "bar", "foo@.service"),
        ("foo@bar@baz.service", "foo@bar@baz", "foo", "bar@baz", "foo@.service"),
        ("foo.1@2.service", "foo.1@2", "foo.1", "2", "foo.1@.service"),
        ("foo@1.2.service", "foo@1.2", "foo", "1.2", "foo@.service"),
        ("yo.yo.service", "yo.yo", "yo.yo", None, None),
        ("ssh@.socket", "ssh@", "ssh", None, "ssh@.socket"),
        ("ssh@1.socket", "ssh@1", "ssh", "1", "ssh@.socket"),
        ("hello:world_1-2\\x2d.timer", "hello:world_1-2\\x2d", "hello:world_1-2\\x2d", None, None),
    ],
)
def test_a_name_falls_into_its_parts(
    text: str, name: str, prefix: str, instance: str | None, template: str | None
) -> None:
    info = parse_unit_name(text)
    assert (info.full, info.name, info.prefix, info.instance, info.template) == (text, name, prefix, instance, template)
    assert info.suffix == text.rpartition(".")[2]


def test_a_name_is_plain_a_template_or_an_instance() -> None:
    kinds = [
        (info.is_template, info.is_instance)
        for info in map(parse_unit_name, ["foo.service", "foo@.service", "foo@1.service"])
    ]
    assert kinds == [(False, False), (True, False), (False, True)]


@pytest.mark.parametrize("suffix", sorted(UNIT_TYPES))
def test_each_of_systemds_types_can_be_used(suffix: str) -> None:
    assert parse_unit_name(f"foo.{suffix}").suffix == suffix


@pytest.mark.parametrize("suffix", sorted(UNIT_TYPES))
@pytest.mark.parametrize("name", ["foo@", "foo@1"])
def test_templates_and_instances_are_of_five_types(name: str, suffix: str) -> None:
    if suffix in TEMPLATE_TYPES:
        assert parse_unit_name(f"{name}.{suffix}").template == f"foo@.{suffix}"
    else:
        with pytest.raises(InvalidUnitNameError, match=f"a {suffix} has no templates"):
            parse_unit_name(f"{name}.{suffix}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("x" * 248 + ".service", "longer than 255 bytes"),
        ("é" * 124 + ".service", "longer than 255 bytes"),
        ("fooservice", "has no type"),
        ("service", "has no type"),
        ("bar@foo", "has no type"),
        ("foo.", "ends in a dot"),
        ("foo@foo.service.", "ends in a dot"),
        ("foo.bar", "no unit type 'bar'"),
        ("foo.servICE", "no unit type 'servICE'"),
        ("foo.busname", "systemd has dropped units of the type busname"),
        ("foo@1.snapshot", "systemd has dropped units of the type snapshot"),
        ("foo%.service", "the character '%'"),
        ("foo bar.service", "the character ' '"),
        ("foo\n.service", r"the character '\\n'"),
        ("yes/no.service", "the character '/'"),
        ("this+that.mount", r"the character '\+'"),
        ("dog=woof@.socket", "the character '='"),
        ("gr\u00fcn.service", "the character 'ü'"),
        ("\ud800.service", "the character"),
        ("@foo.service", "nothing before its @"),
        (".service", "nothing before its .service"),
    ],
)
def test_the_first_problem_of_a_name_is_named(text: str, problem: str) -> None:
    with pytest.raises(InvalidUnitNameError, match=problem):
        parse_unit_name(text)


def test_a_type_that_is_none_is_said_before_a_bad_character() -> None:
    with pytest.raises(InvalidUnitNameError, match="no unit type"):
        parse_unit_name("foo%.bar")


def test_the_longest_name_has_255_bytes() -> None:
    assert len(parse_unit_name("x" * (MAX_NAME_BYTES - 8) + ".service").full) == 255


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", "foo.service"),
        ("foo@1", "foo@1.service"),
        ("foo.service", "foo.service"),
        ("foo.target", "foo.target"),
        ("foo.slice", "foo.slice"),
        ("foo.link", "foo.link.service"),
        ("foo.snapshot", "foo.snapshot"),
        ("service", "service.service"),
        ("foo.", "foo..service"),
    ],
)
def test_a_name_without_a_type_is_a_services(text: str, expected: str) -> None:
    assert with_default_suffix(text) == expected


@given(st.text())
def test_the_default_type_is_given_once(text: str) -> None:
    assert with_default_suffix(with_default_suffix(text)) == with_default_suffix(text)


@given(plain_parts, st.sampled_from(sorted(UNIT_TYPES)))
def test_any_prefix_of_allowed_characters_is_a_unit(prefix: str, suffix: str) -> None:
    full = f"{prefix}.{suffix}"
    info = parse_unit_name(full)
    assert info == UnitNameInfo(info.full, prefix, prefix, None, suffix)
    assert info.full == full


@given(plain_parts, instances, st.sampled_from(sorted(TEMPLATE_TYPES)))
def test_an_instance_is_made_from_its_template(prefix: str, instance: str, suffix: str) -> None:
    info = parse_unit_name(f"{prefix}@{instance}.{suffix}")
    assert (info.prefix, info.instance, info.suffix) == (prefix, instance, suffix)
    assert info.template is not None
    template = parse_unit_name(info.template)
    assert template.is_template
    assert template.template == info.template
    assert (template.prefix, template.suffix) == (prefix, suffix)


@given(st.text(max_size=300) | st.builds("{}.{}".format, st.text(), st.sampled_from(sorted(UNIT_TYPES))))
def test_every_text_is_a_name_or_refused(text: str) -> None:
    try:
        info = parse_unit_name(text)
    except InvalidUnitNameError:
        return
    assert info.full == text
    assert len(text.encode()) <= MAX_NAME_BYTES
    assert f"{info.name}.{info.suffix}" == text
