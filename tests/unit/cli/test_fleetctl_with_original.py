"""fleetctl against an original fleetd: what it says, what it asks for, and how it exits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_fleetd import M1, M2, FakeFleetd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Fleetctl = Callable[..., Result]

HELLO = "[Service]\nExecStart=/bin/sleep infinity\n"
OTHER = "[Service]\nExecStart=/bin/sleep 1\n"
EVERYWHERE = f"{HELLO}\n[X-Fleet]\nGlobal=true\n"
ON_M1 = "on 85c0c595.../172.18.0.3"
ON_M2 = "on 113f16a7.../172.18.0.4"


def test_submit_stores_a_unit(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    (here / "hello.service").write_text(HELLO)
    result = fleetctl_there("submit", "hello.service")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Unit hello.service inactive\n", "")
    assert fleetd.units["hello.service"].options == [
        {"section": "Service", "name": "ExecStart", "value": "/bin/sleep infinity"}
    ]


def test_start_submits_places_and_starts(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    (here / "hello.service").write_text(HELLO)
    result = fleetctl_there("start", "hello.service")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        f"Unit hello.service inactive\nUnit hello.service launched {ON_M2}\n",
        "",
    )
    assert fleetd.units["hello.service"].current == "launched"


def test_load_places_without_starting(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO)
    result = fleetctl_there("load", "hello")
    assert (result.exit_code, result.stdout) == (0, f"Unit hello.service loaded {ON_M2}\n")


def test_a_path_may_lead_elsewhere_and_lack_its_suffix(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path
) -> None:
    (here / "units").mkdir()
    (here / "units" / "hello.service").write_text(HELLO)
    assert fleetctl_there("submit", "units/hello").exit_code == 0
    assert list(fleetd.units) == ["hello.service"]


def test_a_unit_named_twice_is_started_once(fleetctl_there: Fleetctl, here: Path) -> None:
    (here / "hello.service").write_text(HELLO)
    result = fleetctl_there("submit", "hello", "hello.service", "./hello.service")
    assert result.stdout == "Unit hello.service inactive\n"


@pytest.mark.parametrize("verb", ["load", "start"])
def test_no_block_does_not_wait(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str) -> None:
    fleetd.add("hello.service", HELLO)
    fleetd.unplaceable.add("hello.service")
    result = fleetctl_there(verb, "--no-block", "hello.service")
    assert (result.exit_code, result.stdout) == (0, f"Triggered unit hello.service {verb}\n")


@pytest.mark.parametrize("verb", ["load", "start"])
def test_global_units_are_not_waited_for(fleetctl_there: Fleetctl, here: Path, verb: str) -> None:
    (here / "everywhere.service").write_text(EVERYWHERE)
    result = fleetctl_there(verb, "everywhere.service")
    assert result.exit_code == 0
    assert result.stdout == f"Unit everywhere.service inactive\nTriggered global unit everywhere.service {verb}\n"


def test_a_unit_that_fails_as_it_starts_is_told(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("bad.service", HELLO)
    fleetd.failing.add("bad.service")
    result = fleetctl_there("start", "bad.service")
    assert (result.exit_code, result.stdout) == (1, f"Unit bad.service launched {ON_M2}\n")
    assert result.stderr == (
        "WARNING: Unit bad.service: it failed (failed); `fleetctl restart bad.service` starts it again\n"
    )


def test_waiting_ends_after_so_many_attempts(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO)
    fleetd.unplaceable.add("hello.service")
    result = fleetctl_there("start", "--block-attempts=1", "hello.service")
    assert (result.exit_code, result.stdout) == (124, "")
    assert result.stderr == (
        "Unit hello.service waits: not on a machine yet\n"
        "Error: gave up waiting for unit hello.service; what was asked of it stands (--block-attempts)\n"
    )


def test_a_differing_local_file_is_warned_about(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    fleetd.add("hello.service", HELLO)
    (here / "hello.service").write_text(OTHER)
    result = fleetctl_there("submit", "hello.service")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "WARNING: Unit hello.service in registry differs from local unit file hello.service. "
        "Add --replace to override.\n"
    )
    assert fleetd.units["hello.service"].options[0]["value"] == "/bin/sleep infinity"


def test_a_differing_local_template_is_warned_about(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    fleetd.add("hello@1.service", HELLO)
    (here / "hello@.service").write_text(OTHER)
    result = fleetctl_there("start", "hello@1")
    assert result.exit_code == 0
    assert "Unit hello@1.service in registry differs from local template unit file hello@.service." in result.stderr


def test_a_local_file_that_cannot_be_read_is_of_no_matter_to_a_stored_unit(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path
) -> None:
    fleetd.add("hello.service", HELLO)
    (here / "hello.service").write_text("nonsense\n")
    result = fleetctl_there("load", "hello.service")
    assert result.exit_code == 0
    assert "WARNING: unit file hello.service: line 1:" in result.stderr


def test_a_stored_unit_is_replaced_if_asked_for(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    (here / "hello.service").write_text(OTHER)
    result = fleetctl_there("start", "--replace", "hello.service")
    # An original places a unit anew when it gets another text.
    assert (result.exit_code, result.stdout) == (0, f"Unit hello.service launched {ON_M2}\n")
    assert fleetd.units["hello.service"].options[0]["value"] == "/bin/sleep 1"


def test_the_same_text_replaces_nothing(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    fleetd.add("hello.service", HELLO)
    (here / "hello.service").write_text(f"# a comment\n{HELLO}")
    result = fleetctl_there("submit", "--replace", "hello.service")
    assert (result.exit_code, result.stdout) == (0, "Found same Unit(hello.service) in Registry, nothing to do\n")


@pytest.mark.parametrize(("verb", "state"), [("submit", "loaded"), ("submit", "launched"), ("load", "launched")])
def test_a_unit_is_not_replaced_by_a_lesser_command(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path, verb: str, state: str
) -> None:
    fleetd.add("hello.service", HELLO, state)
    (here / "hello.service").write_text(OTHER)
    result = fleetctl_there(verb, "--replace", "hello.service")
    assert result.exit_code == 1
    assert f"can not replace Unit(hello.service) in state '{state}'" in result.stderr
    assert (fleetd.units["hello.service"].desired, fleetd.units["hello.service"].options[0]["value"]) == (
        state,
        "/bin/sleep infinity",
    )


def test_replacing_needs_a_local_file(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO)
    result = fleetctl_there("submit", "--replace", "hello.service")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: unit hello.service cannot be replaced: there is no file hello.service\n",
    )


@pytest.mark.parametrize(
    ("own", "template", "stored", "text"),
    [
        ("own", "template", "stored", "own"),
        (None, "template", "stored", "template"),
        (None, None, "stored", "stored"),
    ],
)
def test_an_instance_has_the_first_text_that_there_is(
    fleetctl_there: Fleetctl,
    fleetd: FakeFleetd,
    here: Path,
    own: str | None,
    template: str | None,
    stored: str,
    text: str,
) -> None:
    for name, words in (("web@1.service", own), ("web@.service", template)):
        if words is not None:
            (here / name).write_text(f"[Service]\nExecStart=/bin/echo {words}\n")
    fleetd.add("web@.service", f"[Service]\nExecStart=/bin/echo {stored}\n")
    assert fleetctl_there("start", "web@1").exit_code == 0
    assert fleetd.units["web@1.service"].options[0]["value"] == f"/bin/echo {text}"


def test_many_instances_ask_for_their_stored_template_once(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("web@.service", HELLO)
    assert fleetctl_there("start", "--no-block", *(f"web@{number}" for number in range(5))).exit_code == 0
    assert fleetd.requests.count(("GET", "/fleet/v1/units/web%40.service")) == 1


def test_a_template_can_be_stored_but_not_started(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    (here / "web@.service").write_text(HELLO)
    refusal = fleetctl_there("start", "web@")
    assert (refusal.exit_code, fleetd.requests) == (1, [])
    assert refusal.stderr == "Error: web@.service is a template: start an instance of it, such as web@1.service\n"
    assert fleetctl_there("submit", "web@").stdout == "Unit web@.service inactive\n"


def test_one_bad_unit_and_nothing_is_done(fleetctl_there: Fleetctl, fleetd: FakeFleetd, here: Path) -> None:
    (here / "good.service").write_text(HELLO)
    (here / "bad.service").write_text("[Service]\nExecStart=/bin/true\nnonsense\n")
    (here / "odd.service").write_text("[Service]\nExecStart=/bin/true\n[X-Fleet]\nConflict=a.service\n")
    (here / "empty.service").write_text("# nothing\n")
    (here / "binary.service").write_bytes(b"[Unit]\nDescription=\xff\n")
    (here / "folder.service").mkdir()
    names = ["good", "bad", "odd", "empty", "binary", "folder", "missing", "web@1"]
    result = fleetctl_there("start", *names)
    assert (result.exit_code, result.stdout, fleetd.units) == (1, "", {})
    assert not [method for method, _ in fleetd.requests if method != "GET"]
    says = result.stderr.splitlines()
    assert len(says) == 7
    for line, words in zip(
        says,
        [
            "unit file bad.service: line 3:",
            "unit odd.service (from odd.service):",
            "unit file empty.service is empty",
            "unit file binary.service cannot be read: it is not UTF-8 (byte 20)",
            "unit file folder.service cannot be read: Is a directory",
            "unit missing.service is not in the cluster; there is no file missing.service",
            "unit web@1.service is not in the cluster, and there is no template web@.service in it either; there is ",
        ],
        strict=True,
    ):
        assert line.startswith(f"Error: {words}")


@pytest.mark.parametrize("verb", ["submit", "load", "start", "stop", "unload", "destroy", "restart", "cat"])
def test_a_bad_name_is_refused_before_anything_is_asked(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str
) -> None:
    result = fleetctl_there(verb, "good.service", "hel lo.service")
    assert (result.exit_code, fleetd.requests) == (1, [])
    assert result.stderr.startswith("Error: unit name 'hel lo.service' has the character ' '")


@pytest.mark.parametrize("verb", ["submit", "load", "start", "stop", "unload", "destroy", "restart"])
def test_no_units_are_no_error(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str) -> None:
    result = fleetctl_there(verb)
    assert (result.exit_code, result.stdout, result.stderr, fleetd.requests) == (0, "", "No units given\n", [])


def test_stop_leaves_a_unit_loaded(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    result = fleetctl_there("stop", "hello")
    assert (result.exit_code, result.stdout) == (0, f"Unit hello.service loaded {ON_M1}\n")
    assert result.stderr == "Successfully stopped units [hello.service].\n"


def test_unload_takes_a_unit_off_its_machine(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    result = fleetctl_there("unload", "hello.service")
    assert (result.exit_code, result.stdout) == (0, "Unit hello.service inactive\n")
    assert result.stderr == "Successfully unloaded units [hello.service].\n"


def test_destroy_forgets_a_unit(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    result = fleetctl_there("destroy", "hello.service")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Destroyed hello.service\n", "")
    assert fleetd.units == {}


def test_destroying_an_unknown_unit_is_no_error(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO)
    result = fleetctl_there("destroy", "other.service", "hello.service", "x*")
    assert (result.exit_code, result.stdout) == (0, "Destroyed hello.service\n")
    assert result.stderr == (
        "Unit other.service is not in the cluster: nothing to destroy\n"
        "Unit x* is not in the cluster: nothing to destroy\n"
    )


@pytest.mark.parametrize("verb", ["stop", "unload", "restart"])
def test_an_unknown_unit_is_an_error_and_the_others_go_on(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str
) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    result = fleetctl_there(verb, "other.service", "hello.service")
    assert result.exit_code == 1
    assert "Unit hello.service " in result.stdout
    assert "Error: unit other.service is not in the cluster" in result.stderr


@pytest.mark.parametrize("verb", ["stop", "unload", "restart", "cat", "status", "journal", "ssh", "start"])
def test_a_misspelt_unit_is_answered_with_the_nearest(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str) -> None:
    for name in ("hello.timer", "web@1.service"):
        fleetd.add(name, HELLO)
    for asked, told in {
        "helo": "did you mean hello.timer?",
        "hello.service": "did you mean hello.timer?",
        "wbe@1": "did you mean web@1.service?",
        "web@2": "list-unit-files shows ",
        "db": "list-unit-files shows ",
    }.items():
        result = fleetctl_there(verb, *(["--unit"] if verb == "ssh" else []), asked)
        assert (result.exit_code, result.stdout) == (1, "")
        assert told in result.stderr


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("stop", "Triggered unit hello.service stop"),
        ("unload", "Triggered unit hello.service unload"),
        ("destroy", "Destroyed hello.service"),
    ],
)
def test_no_block_only_asks(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str, line: str) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    result = fleetctl_there(verb, "--no-block", "hello.service")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{line}\n", "")


def test_an_original_fleetd_cannot_restart_a_global_unit(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    result = fleetctl_there("restart", "everywhere.service")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: an original fleetd cannot restart global unit everywhere.service; stop it, and start it\n"
    )


@pytest.mark.parametrize("verb", ["stop", "unload"])
def test_a_global_unit_is_only_triggered(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str) -> None:
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    result = fleetctl_there(verb, "everywhere.service")
    assert (result.exit_code, result.stdout) == (0, f"Triggered global unit everywhere.service {verb}\n")


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_an_inactive_unit_can_be_neither_stopped_nor_restarted(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str
) -> None:
    fleetd.add("hello.service", HELLO)
    result = fleetctl_there(verb, "hello.service")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: Unable to {verb} unit hello.service in state inactive\n"


def test_a_unit_that_waits_for_a_machine_can_be_stopped(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.unplaceable.add("hello.service")
    fleetd.add("hello.service", HELLO, "launched", machine="")
    result = fleetctl_there("stop", "hello.service")
    assert (result.exit_code, result.stdout) == (0, "Unit hello.service inactive\n")
    assert fleetd.units["hello.service"].desired == "loaded"


@pytest.mark.parametrize("verb", ["load", "start", "stop", "unload", "restart"])
def test_what_the_api_refuses_is_told_and_the_rest_goes_on(
    fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str
) -> None:
    for name in ("a.service", "b.service"):
        fleetd.add(name, HELLO, "launched")
    fleetd.refused.add("a.service")
    result = fleetctl_there(verb, "a", "b")
    assert result.exit_code == 1
    assert f"Error: {verb} was refused: a.service is refused\n" in result.stderr
    assert ("Unit b.service " in result.stdout) == (verb != "restart")


def test_a_pattern_stands_for_the_cluster_s_units(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    for name, state in (("web@1", "launched"), ("web@2", "launched"), ("web@", "inactive"), ("db", "launched")):
        fleetd.add(f"{name}.service", HELLO, state)
    result = fleetctl_there("stop", "web@*", "web@1.service")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [f"Unit web@1.service loaded {ON_M1}", f"Unit web@2.service loaded {ON_M1}"],
    )
    assert fleetd.units["db.service"].desired == "launched"


def test_a_malformed_pattern_is_refused(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    result = fleetctl_there("destroy", "web@[1")
    assert (result.exit_code, fleetd.requests) == (1, [])
    assert "Error: pattern 'web@[1' is malformed" in result.stderr


def test_restart_stops_and_starts_one_after_another(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("a.service", HELLO, "launched")
    fleetd.add("b.service", HELLO, "loaded")
    result = fleetctl_there("restart", "a", "b")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            f"Unit a.service loaded {ON_M1}",
            f"Unit a.service launched {ON_M1}",
            f"Unit b.service launched {ON_M1}",
        ],
    )


def test_a_rolling_restart_ends_with_the_first_that_fails(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    for name in ("a.service", "b.service", "c.service"):
        fleetd.add(name, HELLO, "launched")
    fleetd.failing.add("a.service")
    result = fleetctl_there("restart", "a", "b", "c")
    assert result.exit_code == 1
    assert "since unit a.service did not come back, these were left alone: b.service c.service" in result.stderr
    assert not [path for method, path in fleetd.requests if method == "PUT" and "/a.service" not in path]


def test_cat_shows_the_cluster_s_text(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO)
    result = fleetctl_there("cat", "hello")
    assert (result.exit_code, result.stdout) == (0, HELLO)


def test_cat_names_several_units(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("a.service", HELLO)
    fleetd.add("b.service", OTHER)
    result = fleetctl_there("cat", "*", "c.service")
    assert (result.exit_code, result.stdout) == (1, f"# a.service\n{HELLO}\n# b.service\n{OTHER}")
    assert result.stderr == (
        "Error: Unit c.service not found: it is not in the cluster; list-unit-files shows the units that are\n"
    )


def test_list_units(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.add("hello.service", HELLO, "launched")
    fleetd.add("idle.service", HELLO)
    fleetd.add("other.service", HELLO, "loaded", machine=M2)
    assert fleetctl_there("list-units").stdout == (
        "UNIT\tMACHINE\tACTIVE\tSUB\n"
        "hello.service\t85c0c595.../172.18.0.3\tactive\trunning\n"
        "other.service\t113f16a7.../172.18.0.4\tinactive\tdead\n"
    )


def test_list_unit_files(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    unit = fleetd.add("hello.service", HELLO, "launched")
    fleetd.add("everywhere.service", EVERYWHERE, "launched")
    short = unit.hash[:7]
    assert fleetctl_there("list-unit-files", "--fields", "unit,dstate,state,target,global,desc").stdout == (
        "UNIT\tDSTATE\tSTATE\tTARGET\tGLOBAL\tDESC\n"
        "everywhere.service\tlaunched\t-\tglobal\ttrue\t-\n"
        "hello.service\tlaunched\tlaunched\t85c0c595.../172.18.0.3\tfalse\t-\n"
    )
    assert fleetctl_there("list-unit-files", "--no-legend").stdout.splitlines()[1].split("\t")[1] == short


@pytest.mark.parametrize("verb", ["list-units", "list-unit-files"])
def test_a_list_may_be_of_some_units(fleetctl_there: Fleetctl, fleetd: FakeFleetd, verb: str) -> None:
    for name in ("hello.service", "web@1.service", "web@2.service"):
        fleetd.add(name, HELLO, "launched")

    def listed(*names: str) -> list[str]:
        result = fleetctl_there(verb, "-o", "name", *names)
        assert result.exit_code == 0
        return result.stdout.splitlines()

    assert listed("hello") == ["hello.service"]
    assert listed("web@*") == ["web@1.service", "web@2.service"]
    assert listed("web@2.service", "h*", "nothing") == ["hello.service", "web@2.service"]
    assert fleetctl_there(verb, "[a").exit_code == 1


def test_list_machines(fleetctl_there: Fleetctl) -> None:
    assert fleetctl_there("list-machines").stdout == (
        "MACHINE\tIP\tMETADATA\n113f16a7...\t172.18.0.4\t-\n85c0c595...\t172.18.0.3\t-\n"
    )
    assert fleetctl_there("list-machines", "-l", "--no-legend", "--fields=machine").stdout == f"{M2}\n{M1}\n"


def test_a_cluster_without_its_registry_says_so(fleetctl_there: Fleetctl, fleetd: FakeFleetd) -> None:
    fleetd.away = "fleet server unable to communicate with etcd"
    result = fleetctl_there("list-machines")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: fleet server unable to communicate with etcd\n"


def test_an_original_fleetd_explains_nothing(fleetctl_there: Fleetctl) -> None:
    result = fleetctl_there("explain", "hello")
    assert (result.exit_code, "original fleetd" in result.stderr) == (1, True)
