"""Which commands there are, what each does in a line, and where it is; importing this imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Where a command is, and what it does in one line."""

    place: str
    summary: str


GROUPS: dict[str, dict[str, CommandEntry]] = {
    "Bring units in, and start them": {
        "submit": CommandEntry("fleetpy_cli.submit:submit", "Upload units to the cluster without placing them."),
        "load": CommandEntry(
            "fleetpy_cli.submit:load",
            "Place units on machines without starting them, submitting them first if necessary.",
        ),
        "start": CommandEntry(
            "fleetpy_cli.submit:start", "Start units in the cluster, submitting and placing them first if necessary."
        ),
        "restart": CommandEntry(
            "fleetpy_cli.control:restart", "Restart units, one after another; a unit that is only loaded is started."
        ),
        "verify": CommandEntry(
            "fleetpy_cli.verify:verify", "Check unit files without submitting them, and say what would be refused."
        ),
    },
    "Stop units, and take them away": {
        "stop": CommandEntry(
            "fleetpy_cli.control:stop", "Stop units; they stay loaded on their machines, and can be started again."
        ),
        "unload": CommandEntry(
            "fleetpy_cli.control:unload",
            "Take units off their machines, stopping them first; the cluster keeps their unit files.",
        ),
        "destroy": CommandEntry(
            "fleetpy_cli.control:destroy", "Stop units and remove them from the cluster, unit files and all."
        ),
    },
    "See how units are": {
        "list-units": CommandEntry(
            "fleetpy_cli.lists:list_units",
            "List the units that are on machines, with what each machine's systemd says of them.",
        ),
        "list-unit-files": CommandEntry(
            "fleetpy_cli.lists:list_unit_files",
            "List all units that the cluster has, with what is wanted of them and where they are.",
        ),
        "status": CommandEntry(
            "fleetpy_cli.status:status", "Show what systemd says of units, on the machines where they are."
        ),
        "journal": CommandEntry("fleetpy_cli.journal:journal", "Show the journal of a unit, wherever it is."),
        "explain": CommandEntry(
            "fleetpy_cli.explain:explain",
            "Say where a unit is, where it would go, and what each machine has against it.",
        ),
        "cat": CommandEntry("fleetpy_cli.cat:cat", "Show the unit files of units, as the cluster has them."),
    },
    "Machines": {
        "list-machines": CommandEntry(
            "fleetpy_cli.lists:list_machines", "List the machines that are in the cluster now."
        ),
        "ssh": CommandEntry(
            "fleetpy_cli.ssh:ssh", "Open a shell on a machine, or on the one where a unit is, or run a command there."
        ),
        "cordon": CommandEntry(
            "fleetpy_cli.maintenance:cordon", "Have machines take no new units; what they have goes on running."
        ),
        "drain": CommandEntry(
            "fleetpy_cli.maintenance:drain",
            "Move all units away from machines, which take none until `uncordon`; for upgrades and repairs.",
        ),
        "uncordon": CommandEntry(
            "fleetpy_cli.maintenance:uncordon", "Have machines take units again, after `cordon` or `drain`."
        ),
        "brake": CommandEntry(
            "fleetpy_cli.brake:brake", "Show whether the brake on mass failure is on, and release it."
        ),
    },
    "Others": {
        "help": CommandEntry("fleetpy_cli.help:show_help", "Show what there is to know about a command."),
        "version": CommandEntry("fleetpy_cli.version:version", "Show fleetctl's version."),
        "fd-forward": CommandEntry(
            "fleetpy_cli.fd_forward:fd_forward", "Connect standard input and output to a unix socket of this host."
        ),
    },
}
"""What belongs together, as help shows it."""

COMMANDS: dict[str, CommandEntry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}
