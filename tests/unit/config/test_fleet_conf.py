from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from fleetpy.config import FleetConfig, load_config
from fleetpy.config.file import parse_settings
from fleetpy.config.fleet import build_config, option_names
from fleetpy.config.values import duration, metadata, truth
from fleetpy.errors import ConfigError

ORIGINAL_SAMPLE = """\
# a comment
; another
verbosity=1
etcd_servers=["http://127.0.0.1:2379", "http://127.0.0.1:4001"]
etcd_request_timeout=2.5
public_ip="192.0.2.7"
metadata='region=us-west, az = us-west-1,region=eu'
agent_ttl="30s"
engine_reconcile_interval=2
token_limit=50
disable_watches=false
"""


def config_of(text: str) -> FleetConfig:
    return build_config(parse_settings(text, "fleet.conf"))


def test_a_file_of_the_originals_is_read_unchanged() -> None:
    config = config_of(ORIGINAL_SAMPLE)
    assert config.verbosity == 1
    assert config.etcd_servers == ("http://127.0.0.1:2379", "http://127.0.0.1:4001")
    assert config.etcd_request_timeout == 2.5
    assert config.public_ip == "192.0.2.7"
    assert config.metadata == {"region": "eu", "az": "us-west-1"}
    assert config.agent_ttl == 30.0
    assert config.engine_reconcile_interval == 2.0
    assert config.token_limit == 50


ORIGINAL_OPTIONS = {
    "verbosity": "1",
    "etcd_servers": "https://a:2379",
    "etcd_username": "root",
    "etcd_password": "secret",
    "etcd_keyfile": "/etc/ssl/key.pem",
    "etcd_certfile": "/etc/ssl/cert.pem",
    "etcd_cafile": "/etc/ssl/ca.pem",
    "etcd_key_prefix": "/_coreos.com/fleet/",
    "etcd_request_timeout": "2.5",
    "engine_reconcile_interval": "2",
    "public_ip": "192.0.2.7",
    "metadata": "region=us-west",
    "agent_ttl": "30s",
    "units_directory": "/run/fleet/elsewhere/",
    "systemd_user": "false",
    "token_limit": "50",
    "enable_grpc": "false",
    "disable_engine": "true",
    "disable_watches": "false",
    "verify_units": "false",
    "authorized_keys_file": "/root/.ssh/authorized_keys",
}
"""All that its `fleetd/fleetd.go` knows, none with its default."""
WITHOUT_EFFECT = {"enable_grpc", "disable_watches", "verify_units", "authorized_keys_file", "systemd_user"}


def test_every_option_of_the_originals_counts_or_is_told_to_have_no_effect() -> None:
    config = config_of("".join(f"{name}={value}\n" for name, value in ORIGINAL_OPTIONS.items()))
    assert {name for name in option_names() if getattr(config, name) != getattr(FleetConfig(), name)} == (
        ORIGINAL_OPTIONS.keys() - WITHOUT_EFFECT
    )
    # The default of `systemd_user` is what it is here for good.
    assert {warning.split(": ")[1] for warning in config.warnings} == WITHOUT_EFFECT - {"systemd_user"}


def test_an_option_of_the_originals_insides_is_accepted_with_a_warning_that_says_why() -> None:
    (warning,) = config_of("disable_watches=true").warnings
    assert warning.startswith("fleet.conf:1: disable_watches: it has no effect: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verbosity=0\nagent_tll=10s", "fleet.conf:2: agent_tll: there is no such option; did you mean agent_ttl?"),
        ("colour=red", "fleet.conf:1: colour: there is no such option"),
        ("[fleet]", "fleet.conf:1: options stand outside of sections; remove [fleet]"),
        ("verbosity", "fleet.conf:1: expected name=value, found 'verbosity'"),
        ("verbosity=loud", "fleet.conf:1: verbosity: 'loud' is not a whole number; write digits alone"),
        ("agent_ttl=1s", "fleet.conf:1: agent_ttl: '1s' is too short; a time to live is at least 2s"),
        ("agent_ttl=soon", "fleet.conf:1: agent_ttl: 'soon' is not a duration; write it as 10s, 500ms or 1m30s"),
        (
            "etcd_request_timeout=0",
            "fleet.conf:1: etcd_request_timeout: '0' is not a duration above 0; write it as 10s, 500ms or 1m30s",
        ),
        ('public_ip="here"', "fleet.conf:1: public_ip: 'here' is no IP address; write one as 192.0.2.7, or nothing"),
        ('metadata="region', "fleet.conf:1: metadata: the quote that opens '\"region' is never closed"),
        (
            'metadata="a=b",c=d',
            "fleet.conf:1: metadata: ',c=d' stands behind the closing quote; one pair goes around all of a value",
        ),
        (
            "#\n\nmetadata=region",
            "fleet.conf:3: metadata: 'region' is not key=value; write metadata as region=eu,disk=ssd",
        ),
        (
            "etcd_username=u\netcd_password=a#b",
            "fleet.conf:2: etcd_password: '#' begins a comment: put the value in quotes, or a blank before it",
        ),
        ("metadata=a=b,\\", "fleet.conf:1: a backslash at its end continues a line, but none follows"),
        (
            "etcd_servers=",
            "fleet.conf:1: etcd_servers: no etcd endpoint is given; write etcd_servers=http://127.0.0.1:2379",
        ),
        (
            "etcd_servers=127.0.0.1:2379",
            "fleet.conf:1: etcd_servers: '127.0.0.1:2379' is no etcd endpoint; write it as http://127.0.0.1:2379",
        ),
        (
            "etcd_servers=[1]",
            'fleet.conf:1: etcd_servers: \'[1]\' is not a JSON list of strings; write it as ["A", "B"] or as A,B',
        ),
        (
            "etcd_key_prefix=fleet",
            "fleet.conf:1: etcd_key_prefix: 'fleet' is no key prefix; write it with a slash in front, as /fleetpy/v1/",
        ),
        ("token_limit=0", "fleet.conf:1: token_limit: a page has at least one entry; write 1 or more"),
        (
            "disable_engine=perhaps",
            "fleet.conf:1: disable_engine: 'perhaps' is neither true nor false; write one of the two",
        ),
        (
            "metadata=a=" + "x" * 4097,
            "fleet.conf:1: metadata: 'a' is too long; a key has at most 128 characters, a value 4096",
        ),
        (
            "metadata=" + ",".join(f"key{number}=x" for number in range(129)),
            "fleet.conf:1: metadata: 129 pairs of metadata are too many; write at most 128",
        ),
        ("token_limit=" + "9" * 5000, "fleet.conf:1: token_limit: a number of 5000 digits is too large"),
        (
            "etcd_servers=" + "[" * 100_000,
            f"fleet.conf:1: etcd_servers: {'[' * 80!r} is not a JSON list: it is nested too deeply",
        ),
        (
            "systemd_user=true",
            (
                "fleet.conf:1: systemd_user: it is not supported: fleetpy drives the system's systemd; "
                "it has no per-user mode"
            ),
        ),
        (
            "\netcd_certfile=/etc/ssl/client.pem",
            "fleet.conf:2: etcd_certfile: it is used together with etcd_keyfile; set that as well",
        ),
        (
            "etcd_keyfile=/etc/ssl/client.key",
            "fleet.conf:1: etcd_keyfile: it is used together with etcd_certfile; set that as well",
        ),
        (
            "etcd_password=secret",
            "fleet.conf:1: etcd_password: it is used together with etcd_username; set that as well",
        ),
        (
            "etcd_servers=https://a:2379,http://b:2379\netcd_cafile=/etc/ssl/ca.pem",
            (
                "fleet.conf:2: etcd_cafile: it is for TLS, and http://b:2379 in etcd_servers has none; "
                "write https:// there, or remove the certificates"
            ),
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_number(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(text)
    assert str(caught.value) == message


def test_the_environment_goes_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    path = tmp_path / "fleet.conf"
    path.write_text("token_limit=1\nagent_ttl=20s\npublic_ip=192.0.2.1\n")
    config = load_config(
        path, {"FLEET_TOKEN_LIMIT": "2", "FLEET_AGENT_TTL": "30s", "FLEET_EPOCH": "7"}, {"token_limit": "3"}
    )
    assert (config.token_limit, config.agent_ttl, config.public_ip) == (3, 30.0, "192.0.2.1")


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it does not exist"):
        load_config(tmp_path / "none.conf", {})


def test_a_wrong_variable_or_flag_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^environment variable FLEET_AGENT_TTL: 'soon' is not a duration"):
        load_config(None, {"FLEET_AGENT_TTL": "soon"})
    with pytest.raises(ConfigError, match=r"^flag --verbosity: 'loud' is not a whole number"):
        load_config(None, {}, {"verbosity": "loud"})


def test_names_in_any_case_comments_behind_values_and_continued_lines_are_read_as_by_the_original() -> None:
    config = config_of(
        "Verbosity=1 # loud\nmetadata='a=#1,b=2' ; two\netcd_servers=http://a:1, \\\n  http://b:2\npublic_ip=#\n"
    )
    assert config.verbosity == 1
    assert config.metadata == {"a": "#1", "b": "2"}
    assert config.etcd_servers == ("http://a:1", "http://b:2")
    assert config.public_ip == ""


def test_a_password_does_not_show_in_the_configurations_repr() -> None:
    assert "coreos" not in repr(config_of("etcd_username=root\netcd_password=coreos"))


def test_every_option_can_be_set() -> None:
    assert set(option_names()) == {option.name for option in fields(FleetConfig)} - {"warnings", "origins"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10.0), ("1.5s", 1.5), ("500ms", 0.5), ("1m30s", 90.0), ("1h", 3600.0), (".5m", 30.0)]
)
def test_a_duration_reads_as_in_go_or_as_bare_seconds(text: str, seconds: float) -> None:
    assert duration(text, "here") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1s", "0", "1d", "s", "1s1", "nan", "inf"])
def test_what_is_no_positive_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        duration(text, "here")


def test_truth_has_several_spellings() -> None:
    assert [truth(text, "here") for text in ("TRUE", "t", "1", "no", "Off")] == [True, True, True, False, False]


def test_metadata_keeps_an_equals_sign_in_a_value() -> None:
    assert metadata("a=b=c,,d=", "here") == {"a": "b=c", "d": ""}


def test_a_machines_lease_is_a_fifth_shorter_than_its_time_to_live_but_never_too_short_for_etcd() -> None:
    assert config_of("agent_ttl=10s").agent_lease == 8.0
    assert config_of("agent_ttl=2s").agent_lease == 2.0


def test_the_sample_file_shows_every_option_and_is_read_as_it_stands() -> None:
    sample = (Path(__file__).resolve().parents[3] / "docs" / "fleet.conf.sample").read_text()
    shown = [line.removeprefix("# ") for line in sample.splitlines() if re.match(r"# \w+=", line)]
    assert {line.partition("=")[0] for line in shown} == set(option_names())
    config = config_of("\n".join(line for line in shown if not line.startswith("metadata=")))
    assert config == FleetConfig()
