"""One lab for many tests, put in order before each."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fleetpy.client.client import FleetClient
from fleetpy.errors import FleetError
from fleetpy.schemas.fleetpy_v1 import Change
from fleetpy_lab.host import HostStatus
from fleetpy_lab.lab import Lab

if TYPE_CHECKING:
    from types import TracebackType

_CLEARING = 60.0
"""Seconds until the lab counts as one that cannot be put in order."""
_LOGS = ("journalctl", "--no-pager", "--lines=40", "--unit=etcd.service", "--unit=fleet-*")


class SharedLab:
    """Three hosts, made when the first test asks for them.

    Hosts that cannot be put in order fail the test that asked, which shows what they logged, and are removed: the next
    test gets new ones, so that one thing that broke does not hide what all other tests would say.
    """

    def __init__(self, *, engines: bool = False, secure_etcd: bool = False) -> None:
        self._engines = engines
        self._secure_etcd = secure_etcd
        self._lab: Lab | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def in_order(self) -> Lab:
        """The hosts, up and connected, all in the cluster, without a unit. Raises `FleetError`."""
        try:
            if self._lab is None:
                self._lab = Lab(f"test-{uuid.uuid4().hex[:8]}")
                self._lab.up(3, engines=self._engines, secure_etcd=self._secure_etcd)
            else:
                self._lab.restore()
            _wait_for_agents(self._lab)
            _destroy_all_units(self._lab)
        except BaseException:
            if self._lab is not None:
                with suppress(FleetError):
                    _tell(self._lab)
            self._remove()
            raise
        return self._lab

    def _remove(self) -> None:
        lab, self._lab = self._lab, None
        if lab is not None:
            lab.down()
            lab.close()


def _tell(lab: Lab) -> None:
    for host in lab.hosts():
        if host.status in (HostStatus.RUNNING, HostStatus.PARTITIONED):
            print(f"{host.name}:", lab.exec(host.name, *_LOGS).stdout, sep="\n")  # noqa: T201 - pytest shows it


def _wait_for_agents(lab: Lab) -> None:
    """Until each agent says that it is registered: the cluster may still count on a host that died and is back."""

    def registered(host: str) -> bool:
        told = lab.exec(host, "systemctl", "show", "--property=StatusText", "--value", "fleet-agent.service").stdout
        return told.startswith("Registered")

    lab.wait_until(lambda: all(registered(host.name) for host in lab.hosts()), _CLEARING, "every agent is registered")


def _destroy_all_units(lab: Lab) -> None:
    with FleetClient(lab.endpoint()) as cluster:
        units = cluster.units().units
        if units:
            cluster.changes([Change(unit.name, "destroy") for unit in units])
        lab.wait_until(
            lambda: not cluster.units().units and not cluster.states(), _CLEARING, "every unit is destroyed everywhere"
        )
