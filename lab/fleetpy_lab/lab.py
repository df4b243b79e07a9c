"""A lab: some hosts, their network, and everything that can happen to them.

Which hosts there are and how they are is asked of Docker each time, so that several processes may use one lab, and one
that somebody broke by hand is seen as it is. Operations are idempotent: killing a dead host is no error.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from docker.errors import APIError

from fleetpy_lab import readiness
from fleetpy_lab.engine import ensure_engine
from fleetpy_lab.errors import LabError, LabUsageError
from fleetpy_lab.etcd import MOST_MEMBERS, Etcd
from fleetpy_lab.host import SOCKET, Host, HostStatus, put_files
from fleetpy_lab.hostimage import ensure_host_image
from fleetpy_lab.inventory import Inventory
from fleetpy_lab.making import make_hosts, remove_hosts, remove_rest
from fleetpy_lab.network import MOST_HOSTS
from fleetpy_lab.paths import lab_dir, locked
from fleetpy_lab.progress import Progress
from fleetpy_lab.running import CommandFailedError, run_on, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import docker

DEFAULT_NAME = "fleetlab"
DEFAULT_HOSTS = 3
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_LONGEST_SOCKET = 107
"""Bytes of a socket's path (unix(7))."""
_COMMAND_TIMEOUT = 60.0
_UP_TIMEOUT = 120.0


class Lab:
    """The lab of that name, whether it is up or not.

    Every method raises `LabUsageError` for a host that is not there or not in a state for it, and `LabError` for what
    failed. Timeouts are seconds.
    """

    def __init__(
        self, name: str = DEFAULT_NAME, *, progress: Progress | None = None, client: docker.DockerClient | None = None
    ) -> None:
        if not _NAME.fullmatch(name):
            raise LabUsageError(f"{name!r} is no name for a lab: use a-z, 0-9 and -, at most 31, a letter first")
        self.name = name
        self.directory = lab_dir(name)
        """Here, not on a host: each host's socket, and the SSH key that opens all of them."""
        self._progress = progress or Progress()
        self._client = client or ensure_engine(self._progress)
        self._inventory = Inventory(self._client, name)

    def up(
        self,
        hosts: int = DEFAULT_HOSTS,
        *,
        metadata: Mapping[str, Mapping[str, str]] | None = None,
        secure_etcd: bool = False,
        etcd_members: int = MOST_MEMBERS,
        engines: bool = False,
        timeout: float = _UP_TIMEOUT,
    ) -> list[Host]:
        """Bring the lab up with at least that many hosts, and wait until they make a cluster.

        A lab that is up already gets the hosts that are missing, and those that are dead, paused or cut off come back.
        `metadata` is by host name, for new hosts; with `engines`, new hosts have Docker, podman and systemd-nspawn.
        A lab's etcd is secured (fleetpy_lab.etcd) when it is made, or never, and the first `etcd_members` hosts of a
        new lab are its members. `timeout` counts from when the images are built. What a failed `up` made is removed
        again.
        """
        names = self._check_names(hosts, metadata or {})
        image = ensure_host_image(self._client, self._progress, engines=engines)
        with locked(f"lab-{self.name}", self._progress):
            present = self.hosts()
            etcd = _etcd_of(present) if present else Etcd(secure=secure_etcd, members=etcd_members)
            if secure_etcd and not etcd.secure:
                raise LabUsageError(
                    f"the lab {self.name} has an open etcd; `fleet-lab down` it first to have it secured"
                )
            missing = [name for name in names if name not in {host.name for host in present}]
            try:
                if missing:
                    with self._progress.step(f"starting {', '.join(missing)}"):
                        make_hosts(self._inventory, image, missing, metadata or {}, etcd)
                self.restore(timeout)
            except BaseException:
                self._undo(missing, everything=not present)
                raise
        if any(host.image != image for host in present):
            kind = "an earlier state of the code, or have no engines" if engines else "an earlier state of the code"
            self._progress.say(f"some hosts run {kind}; `fleet-lab down` and `up` renews them")
        return self.hosts()

    def _check_names(self, hosts: int, metadata: Mapping[str, Mapping[str, str]]) -> list[str]:
        if not 1 <= hosts <= MOST_HOSTS:
            raise LabUsageError(f"a lab has 1 to {MOST_HOSTS} hosts, not {hosts}")
        names = [f"host{number}" for number in range(1, hosts + 1)]
        for name in metadata:
            if name not in names:
                raise LabUsageError(f"metadata is given for {name}, which is none of {', '.join(names)}")
        socket = str(self.directory / names[-1] / SOCKET)
        if len(socket.encode()) > _LONGEST_SOCKET:
            raise LabUsageError(
                f"the socket's path {socket} is too long for Linux; set XDG_STATE_HOME to a shorter one"
            )
        return names

    def restore(self, timeout: float = _UP_TIMEOUT) -> None:
        """Bring back every host that is dead, paused or cut off, and wait until all make a cluster again."""
        for host in self.hosts():
            self._wake(host)
        self._wait_for_all(timeout)

    def _wake(self, host: Host) -> None:
        if host.status is HostStatus.DEAD:
            self._progress.say(f"starting {host.name} again, which was dead")
            self.revive(host.name)
        elif host.status is HostStatus.PAUSED:
            self._progress.say(f"resuming {host.name}, which was paused")
            self.resume(host.name)
        if self.host(host.name).status is HostStatus.PARTITIONED:
            self._progress.say(f"connecting {host.name} again, which was cut off")
            self.heal(host.name)

    def _wait_for_all(self, timeout: float) -> None:
        hosts = self.hosts()
        with self._progress.step("waiting for systemd to start every host's services"):
            readiness.wait_for_services(self._inventory, hosts, timeout, self._progress)
        with self._progress.step("waiting for etcd's members to agree"):
            readiness.wait_for_etcd(self._client, hosts, _etcd_of(hosts), timeout)
        with self._progress.step(f"waiting for fleet to have all {len(hosts)} machines"):
            readiness.wait_for_machines(self.endpoint(), hosts, timeout)

    def _undo(self, names: Sequence[str], *, everything: bool) -> None:
        made = [host for host in self.hosts() if host.name in names]
        if made:
            self._progress.say(f"up failed: removing {', '.join(host.name for host in made)} again")
        remove_hosts(self._inventory, made)
        if everything:
            remove_rest(self._inventory)

    def down(self) -> list[str]:
        """Remove the lab's hosts, its network and its directory; gives the hosts' names. No lab is no error."""
        with locked(f"lab-{self.name}", self._progress):
            hosts = self.hosts()
            remove_hosts(self._inventory, hosts)
            remove_rest(self._inventory)
        return [host.name for host in hosts]

    def hosts(self) -> list[Host]:
        """Every host as it is now, by number; none when the lab is not up."""
        return self._inventory.hosts()

    def host(self, name: str) -> Host:
        """The host of that name as it is now."""
        return self._inventory.host(name)

    def awake(self, name: str) -> Host:
        """The host of that name, if its processes run."""
        return self._inventory.awake(name)

    def exec(
        self,
        host: str,
        *command: str,
        check: bool = False,
        timeout: float = _COMMAND_TIMEOUT,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root. With `check`, a code other than 0 raises `CommandFailedError`."""
        completed = run_on(self._client, self.awake(host), command, timeout=timeout, environment=environment)
        if check and completed.returncode != 0:
            said = (completed.stderr or completed.stdout).strip() or "it said nothing"
            raise CommandFailedError(f"{' '.join(command)} on {host} gave {completed.returncode}: {said}", completed)
        return completed

    def fleetctl(
        self, *arguments: str, host: str | None = None, check: bool = True, timeout: float = _COMMAND_TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run fleetctl on a host, the first that runs unless one is named."""
        name = host or self._inventory.first_running().name
        return self.exec(name, "fleetctl", *arguments, check=check, timeout=timeout)

    def put(self, host: str, path: str, text: str) -> None:
        """Write a text file on a host, root's, mode 0644; not below /run or /tmp, which are no disk."""
        put_files(self._inventory.container(self.host(host)), {path: text})

    def kill(self, host: str) -> None:
        """Take the power away: no process of the host gets to do anything any more."""
        found = self.host(host)
        if found.status is HostStatus.PAUSED:
            self.resume(host)  # a frozen process cannot die
        if found.status is not HostStatus.DEAD:
            with _explained(f"cannot kill {host}"):
                self._inventory.container(found).kill()
            wait_until(lambda: self.host(host).status is HostStatus.DEAD, _COMMAND_TIMEOUT, f"{host} dies")

    def revive(self, host: str, timeout: float = _UP_TIMEOUT) -> None:
        """Start a dead host again: a boot with the same disk, machine id and address. Waits until systemd answers."""
        found = self.host(host)
        if found.status is HostStatus.DEAD:
            with _explained(f"cannot start {host}"):
                self._inventory.container(found).start()
        readiness.wait_for_boot(self._inventory, self.awake(host), timeout)

    def partition(self, host: str) -> None:
        """Cut a host off from all others. Its processes go on."""
        found = self.awake(host)
        if found.status is HostStatus.RUNNING:
            with _explained(f"cannot cut {host} off"):
                self._inventory.need_network().disconnect(found.container)

    def heal(self, host: str) -> None:
        """Connect a host that was cut off, with the address that it had."""
        found = self.awake(host)
        if found.status is HostStatus.PARTITIONED:
            with _explained(f"cannot connect {host}"):
                self._inventory.need_network().connect(found.container, ipv4_address=found.address, aliases=[host])

    def pause(self, host: str) -> None:
        """Freeze every process of a host. Its kernel still answers pings."""
        found = self.host(host)
        if found.status is HostStatus.DEAD:
            raise LabUsageError(f"{host} is dead: it cannot be paused; `fleet-lab revive {host}` starts it")
        if found.status is not HostStatus.PAUSED:
            with _explained(f"cannot pause {host}"):
                self._inventory.container(found).pause()

    def resume(self, host: str) -> None:
        """Thaw a paused host."""
        found = self.host(host)
        if found.status is HostStatus.PAUSED:
            with _explained(f"cannot resume {host}"):
                self._inventory.container(found).unpause()

    def endpoint(self, host: str | None = None) -> str:
        """Where the API of a host (the first that runs, unless one is named) is reached from here: `unix:///…`."""
        found = self.awake(host) if host else self._inventory.first_running()
        return f"unix://{self.directory / found.name / SOCKET}"

    def close(self) -> None:
        """Close the connections to the engine; the lab itself stays as it is."""
        self._client.close()

    def wait_until(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        """Ask again and again until `condition` gives something true; raises `LabError` after `timeout` seconds."""
        wait_until(condition, timeout, what)


def _etcd_of(hosts: Sequence[Host]) -> Etcd:
    return Etcd(secure=any(host.secure_etcd for host in hosts))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise LabError(f"{what}: {error.explanation or error}") from error
