"""Every type of unit on a real systemd, as far as a host's systemd and kernel have it."""

from __future__ import annotations

from tests.support.cluster import HOSTS, PATIENCE, SLEEPER, Cluster, sleeper

ONCE = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"


def state(cluster: Cluster, unit: str) -> tuple[str, str, str]:
    """What list-units says of a unit that is on one machine."""
    lines = cluster.fleetctl("list-units", "--no-legend", "--fields=unit,load,active,sub").stdout.splitlines()
    (found,) = (line.split("\t") for line in lines if line.startswith(f"{unit}\t"))
    return found[1], found[2], found[3]


def until_active(cluster: Cluster, unit: str) -> None:
    cluster.lab.wait_until(lambda: state(cluster, unit)[1] == "active", PATIENCE, f"{unit} is active")


def beside(leader: str, text: str) -> str:
    """The unit file with the unit bound to the machine of another."""
    return f"{text}[X-Fleet]\nMachineOf={leader}\n"


def test_a_service_that_is_done_stays_active_and_one_that_fails_stays_failed_where_it_is(cluster: Cluster) -> None:
    cluster.write("done.service", ONCE)
    cluster.write("fails.service", "[Service]\nExecStart=/bin/false\n")
    cluster.fleetctl("start", "done.service", "fails.service", check=False)
    cluster.lab.wait_until(lambda: state(cluster, "fails.service")[1] == "failed", PATIENCE, "fails.service fails")
    assert state(cluster, "fails.service") == ("loaded", "failed", "failed")
    assert state(cluster, "done.service") == ("loaded", "active", "exited")
    cluster.fleetctl("destroy", "fails.service")
    assert set(cluster.placed()) == {"done.service"}


def test_a_socket_starts_its_service_when_somebody_connects(cluster: Cluster) -> None:
    cluster.write("greet.socket", "[Socket]\nListenStream=/run/greet.sock\n")
    cluster.write("greet.service", beside("%p.socket", SLEEPER))
    cluster.fleetctl("load", "greet.socket", "greet.service")
    cluster.fleetctl("start", "greet.socket")
    assert state(cluster, "greet.socket") == ("loaded", "active", "listening")
    assert state(cluster, "greet.service") == ("loaded", "inactive", "dead")
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/greet.sock')"
    cluster.lab.exec(cluster.placed()["greet.socket"], "python3", "-c", connect, check=True)
    until_active(cluster, "greet.service")
    assert cluster.fleetctl("list-unit-files", "--no-legend", "--fields=unit,dstate").stdout == (
        "greet.service\tloaded\ngreet.socket\tlaunched\n"
    )


def test_a_path_and_a_timer_start_their_services(cluster: Cluster) -> None:
    cluster.write("look.path", "[Path]\nPathExists=/run/look-here\n")
    cluster.write("tick.timer", beside("look.path", "[Timer]\nOnActiveSec=100ms\nAccuracySec=10ms\n"))
    for name in ("look.service", "tick.service"):
        cluster.write(name, beside("look.path", ONCE))
    cluster.fleetctl("load", "look.path", "look.service", "tick.service")
    cluster.fleetctl("start", "look.path", "tick.timer")
    assert state(cluster, "look.path") == ("loaded", "active", "waiting")
    until_active(cluster, "tick.service")
    assert state(cluster, "look.service") == ("loaded", "inactive", "dead")
    cluster.lab.exec(cluster.placed()["look.path"], "touch", "/run/look-here", check=True)
    until_active(cluster, "look.service")


def test_a_mount_is_mounted_and_unmounted_again(cluster: Cluster) -> None:
    cluster.write("run-fleetmount.mount", "[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=/run/fleetmount\n")
    cluster.fleetctl("start", "run-fleetmount.mount")
    host = cluster.running()["run-fleetmount.mount"]
    assert state(cluster, "run-fleetmount.mount") == ("loaded", "active", "mounted")
    assert cluster.lab.exec(host, "mountpoint", "/run/fleetmount").returncode == 0
    cluster.fleetctl("destroy", "run-fleetmount.mount")
    cluster.lab.wait_until(
        lambda: cluster.lab.exec(host, "mountpoint", "/run/fleetmount").returncode != 0, PATIENCE, "it is unmounted"
    )


def test_what_the_hosts_kernel_does_not_have_is_loaded_and_the_refusal_to_start_it_is_told(cluster: Cluster) -> None:
    """Automounts need /dev/autofs and swaps a kernel of one's own, which a container has neither of."""
    cluster.write("run-auto.automount", "[Automount]\nWhere=/run/auto\n")
    cluster.write("run-auto.mount", "[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=/run/auto\n")
    cluster.write("var-swapfile.swap", "[Swap]\nWhat=/var/swapfile\n")
    cluster.fleetctl("load", "run-auto.mount")
    started = cluster.fleetctl("start", "run-auto.automount", "var-swapfile.swap", check=False)
    for name in ("run-auto.automount", "var-swapfile.swap"):
        if state(cluster, name)[1] != "active":
            assert f"{name}: its start job ended as 'unsupported'" in started.stderr
        assert state(cluster, name)[0] == "loaded"
        assert name in cluster.placed()


def test_a_target_starts_what_it_wants_and_takes_it_down_with_it(cluster: Cluster) -> None:
    cluster.write("group.target", "[Unit]\nWants=member.service\n")
    cluster.write("member.service", beside("group.target", f"[Unit]\nPartOf=group.target\n{SLEEPER}"))
    cluster.fleetctl("load", "group.target", "member.service")
    cluster.fleetctl("start", "group.target")
    until_active(cluster, "member.service")
    cluster.fleetctl("stop", "group.target")
    cluster.lab.wait_until(lambda: cluster.running() == {}, PATIENCE, "both have stopped")


def test_a_slice_holds_the_services_that_name_it(cluster: Cluster) -> None:
    cluster.write("pen.slice", "[Slice]\nTasksMax=77\n")
    cluster.write("penned.service", beside("pen.slice", f"{SLEEPER}Slice=pen.slice\n"))
    cluster.fleetctl("start", "pen.slice", "penned.service")
    host = cluster.running()["pen.slice"]
    assert state(cluster, "pen.slice") == ("loaded", "active", "active")
    shown = cluster.lab.exec(host, "systemctl", "show", "--property=TasksMax", "--value", "pen.slice", check=True)
    assert shown.stdout.strip() == "77"
    group = cluster.lab.exec(host, "systemctl", "show", "--property=ControlGroup", "--value", "penned.service")
    assert group.stdout.strip() == "/pen.slice/penned.service"


def test_a_device_can_be_loaded_and_a_scope_says_why_it_cannot(cluster: Cluster) -> None:
    cluster.write("dev-loop77.device", "[Unit]\nDescription=A device that nobody has\n")
    cluster.write("some.scope", "[Scope]\nRuntimeMaxSec=60\n")
    cluster.fleetctl("load", "dev-loop77.device")
    assert state(cluster, "dev-loop77.device") == ("loaded", "inactive", "dead")
    gave_up = cluster.fleetctl("load", "--block-attempts=1", "some.scope", check=False)
    assert gave_up.returncode == 124
    assert "systemd makes scopes of processes that run already, never of a file" in gave_up.stderr


def test_instances_get_their_specifiers_and_a_template_is_never_started(cluster: Cluster) -> None:
    cluster.write("count@.service", "[Service]\nExecStart=/bin/sh -c 'exec sleep 1000%i'\n")
    refused = cluster.fleetctl("start", "count@.service", check=False)
    assert refused.returncode == 1
    cluster.fleetctl("start", "count@1.service", "count@2.service")
    for number in (1, 2):
        host = cluster.running()[f"count@{number}.service"]
        pid = cluster.main_pid(host, f"count@{number}.service")
        command = cluster.lab.exec(host, "cat", f"/proc/{pid}/cmdline", check=True).stdout
        assert command.split("\0")[:2] == ["sleep", f"1000{number}"]


def test_an_install_section_makes_a_unit_start_and_stop_with_another(cluster: Cluster) -> None:
    cluster.write("hello.service")
    cluster.write(
        "discovery.service",
        beside("hello.service", f"[Unit]\nBindsTo=hello.service\n{SLEEPER}[Install]\nWantedBy=hello.service\n"),
    )
    cluster.fleetctl("load", "hello.service", "discovery.service")
    assert cluster.running() == {}
    cluster.fleetctl("start", "hello.service")
    until_active(cluster, "discovery.service")
    cluster.fleetctl("stop", "hello.service")
    cluster.lab.wait_until(lambda: cluster.running() == {}, PATIENCE, "discovery.service stopped with it")


def test_drop_ins_that_the_host_has_for_a_unit_apply(cluster: Cluster) -> None:
    folder = "/etc/systemd/system/tuned.service.d"
    cluster.lab.put("host2", f"{folder}/host.conf", "[Service]\nEnvironment=TUNED=yes\n")
    try:
        cluster.fleetctl(
            "start", cluster.write("tuned.service", sleeper(f"MachineID={cluster.lab.host('host2').machine_id}"))
        )
        pid = cluster.main_pid("host2", "tuned.service")
        environment = cluster.lab.exec("host2", "cat", f"/proc/{pid}/environ", check=True).stdout.split("\0")
        assert "TUNED=yes" in environment
        assert any(line.startswith("FLEET_EPOCH=") for line in environment)
    finally:
        cluster.lab.exec("host2", "rm", "-r", folder)


def test_types_that_systemd_no_longer_has_are_refused(cluster: Cluster) -> None:
    for name in ("old.snapshot", "old.busname"):
        refused = cluster.fleetctl("submit", cluster.write(name, "[Unit]\nDescription=Gone\n"), check=False)
        assert refused.returncode == 1
        assert f"{name!r}: systemd has dropped" in refused.stderr
    assert cluster.placed() == {}
    assert cluster.machines() == set(HOSTS)
