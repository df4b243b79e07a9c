"""fleet-agent(8), fleet-scheduler(8), fleet-api(8) and fleet-lease(8): what they are, and their own help's options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docs.man.roff import Page

_OPTION = re.compile(r"^  (?P<term>(?:-\w, )?--[\w-]+(?: [A-Z]+)?) {2,}(?P<text>.+)$", re.MULTILINE)
"""A line of argparse's help, written wide."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """One of them; `module` has its `main`."""

    name: str
    summary: str
    description: str
    module: str = ""
    files: tuple[tuple[str, str], ...] = ()
    signals: tuple[tuple[str, str], ...] = ()
    see_also: tuple[str, ...] = ()


_CONF = ("/etc/fleet/fleet.conf", "The configuration, see fleet.conf(5).")
_TERM = ("SIGTERM, SIGINT", "End.")
_RELOAD = (
    "Take the configuration as it is now, and go on as the same process. One that cannot be used is logged and "
    "changes nothing. `systemctl reload` sends this, unless `--check` finds something first."
)
_HUP = ("SIGHUP", _RELOAD)

DAEMONS = (
    Daemon(
        "fleet-agent",
        "runs on this host what the cluster has placed here",
        "Holds this machine's lease in etcd, makes the host's systemd match the placements that fleet-scheduler(8) "
        "made for it, and tells the cluster how the units are. `fleet-agent.service` runs it, as root.\n\n"
        "Units are systemd's own: stopping, restarting, upgrading or killing the agent touches none of them, and "
        "what runs is taken over when it is back. Losing etcd stops none either, but those with `OnPartition=stop`, "
        "see fleet-lease(8). A host that shuts down stops its units, and then gives its lease up, so that they "
        "start elsewhere at once.\n\n"
        "A unit whose name the host has a unit of its own for is not touched; it is refused here and goes "
        "elsewhere. A second machine with an id that is taken, as with cloned disks, is refused too: its agent runs "
        "nothing and says why.",
        module="fleetpy_agent.main",
        files=(
            _CONF,
            ("/etc/machine-id", "Who this machine is, see machine-id(5)."),
            ("/run/fleet/units/", "Unit files that are placed here (`units_directory`)."),
            ("/run/fleet/agent/", "What the agent has to know after a restart."),
        ),
        signals=(_TERM, _HUP),
        see_also=("fleet.conf(5)", "fleet-lease(8)", "fleet-scheduler(8)", "fleet-api(8)", "fleetctl(1)", "systemd(1)"),
    ),
    Daemon(
        "fleet-scheduler",
        "decides which machine has which unit",
        "Of all that run, one leads; another takes over when its lease of `scheduler_ttl` is gone. The leader "
        "places units on machines that live, take new units and pass every rule of the unit, on the one that has "
        "the fewest; it places them anew when a machine dies or is no longer fit. It leaves units where they are "
        "otherwise. One, three or five are enough for a cluster; `disable_engine` in fleet.conf(5) keeps a host's "
        "out of it.\n\n"
        "When more than half of a cluster's machines vanish at once it places nothing anew until they are back, a "
        "hold time has passed, or an operator says so. What a unit waits for is said by fleetctl-explain(1).",
        module="fleetpy_scheduler.main",
        files=(_CONF,),
        signals=(_TERM, _HUP),
        see_also=("fleet.conf(5)", "fleet-agent(8)", "fleet-api(8)", "fleetctl(1)"),
    ),
    Daemon(
        "fleet-api",
        "takes what users want of the cluster, and tells how it is",
        "Serves the HTTP API of the original fleet, below `/fleet/v1`, and what that lacks below `/fleetpy/v1`, "
        "described in `/fleetpy/v1/openapi.json`. `fleet-api.socket` starts it when somebody asks, and it ends by "
        "itself when nobody has for `api_idle_timeout`. Run by hand it opens a socket of its own.\n\n"
        "Whoever may write to its socket is root on every host of the cluster. More addresses are further "
        "`ListenStream=` lines in a drop-in of `fleet-api.socket`. On TCP it speaks TLS if it has a certificate "
        "(`api_certfile`, `api_keyfile`), and serves clients with one alone if `api_cafile` is set. A TCP address that "
        "is not loopback is refused without that, unless `api_insecure_tcp` is set.",
        module="fleetpy_api.main",
        files=(_CONF, ("/run/fleet.sock", "The socket.")),
        signals=(_TERM, _HUP),
        see_also=("fleet.conf(5)", "fleetctl(1)", "fleet-agent(8)", "fleet-scheduler(8)", "systemd.socket(5)"),
    ),
    Daemon(
        "fleet-lease",
        "lives as long as this host is surely part of the cluster",
        "`fleet-lease.service` runs it, for units with `OnPartition=stop`, which are bound to that service. By the "
        "host's own clock it ends as soon as the machine's lease may be gone, whatever has become of "
        "fleet-agent(8); systemd then stops those units, and what is left of them after 10 s is killed. The "
        "scheduler waits for longer than that before it starts them elsewhere.\n\n"
        "There is no need to start or stop it oneself: it comes with the first such unit and leaves with the last.",
        files=(("/run/fleet/agent/lease", "Until when the lease holds, written by the agent."),),
        see_also=("fleet-agent(8)", "systemd.unit(5)"),
    ),
)

_COMMANDS = (
    ("watch", "Be ready while the lease holds, and end when it may be gone: `ExecStart=` of the service."),
    ("kill", "Give what is bound to the service 10 s, and kill what is left then: its `ExecStopPost=`."),
)


def daemon_pages(new: Callable[[str, int, str], Page]) -> Iterator[Page]:
    """All of them."""
    for daemon in DAEMONS:
        page = new(daemon.name, 8, daemon.summary)
        page.heading("SYNOPSIS")
        page.synopsis([daemon.name, "[OPTIONS]" if daemon.module else "watch|kill"])
        page.heading("DESCRIPTION")
        page.paragraphs(daemon.description)
        page.heading("OPTIONS" if daemon.module else "COMMANDS")
        for term, text in options_of(daemon.module) if daemon.module else _COMMANDS:
            page.item(term, text)
        if daemon.signals:
            page.heading("SIGNALS")
            for term, text in daemon.signals:
                page.item(term, text)
        page.heading("EXIT STATUS")
        for code, text in _EXIT_CODES if daemon.module else _LEASE_EXIT_CODES:
            page.item(code, text)
        page.heading("FILES")
        for term, text in daemon.files:
            page.item(term, text)
        page.see_also(daemon.see_also)
        yield page


_EXIT_CODES = (
    ("0", "It was asked to end, or had nothing to do."),
    ("1", "It could not go on; the journal says why, and systemd starts it again."),
    ("2", "Called wrongly, or the configuration is wrong: starting it again would not help."),
)
_LEASE_EXIT_CODES = (
    ("0", "All is stopped (`kill`)."),
    ("1", "The lease may be gone (`watch`)."),
    ("2", "Called wrongly."),
)


def options_of(module: str) -> list[tuple[str, str]]:
    """The options of a daemon, as its `--help` has them."""
    command = [sys.executable, "-c", f"from {module} import main; main(['--help'])"]
    wide = {**os.environ, "COLUMNS": "1000", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=wide).stdout  # noqa: S603 - ourselves
    return [(found["term"], _sentence(found["text"])) for found in _OPTION.finditer(told)]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
