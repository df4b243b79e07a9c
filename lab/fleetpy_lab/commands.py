"""What `fleet-lab` can be told to do."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from fleetpy_lab.chaos.faults import FaultKind
from fleetpy_lab.demo import run_demo
from fleetpy_lab.engine import connect, ensure_engine, stop_engine
from fleetpy_lab.errors import LabError, LabUsageError
from fleetpy_lab.hostimage import ensure_host_image, remove_images
from fleetpy_lab.image import ensure_base_image
from fleetpy_lab.inventory import lab_names
from fleetpy_lab.kit import write_kit
from fleetpy_lab.lab import DEFAULT_HOSTS, Lab
from fleetpy_lab.output import print_hosts, print_json, print_value
from fleetpy_lab.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

_output = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to answer."
)
_anything = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""For a command line that is another program's."""


@click.command()
@click.option(
    "--hosts", type=click.IntRange(min=1), default=DEFAULT_HOSTS, show_default=True, help="How many, at least."
)
@click.option("--metadata", multiple=True, metavar="HOST:KEY=VALUE", help="Metadata of a new host; several times.")
@click.option("--secure-etcd", is_flag=True, help="etcd with TLS, client certificates and users (a new lab's).")
@click.option("--engines", is_flag=True, help="New hosts have Docker, podman and systemd-nspawn.")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds, once the images are built.")
@_output
@click.pass_obj
def up(
    name: str,
    hosts: int,
    metadata: tuple[str, ...],
    timeout: float,
    output: str,
    *,
    secure_etcd: bool,
    engines: bool,
) -> None:
    """Bring the lab up, or what is missing, dead or cut off of it."""
    lab = Lab(name)
    made = lab.up(hosts, metadata=read_metadata(metadata), secure_etcd=secure_etcd, engines=engines, timeout=timeout)
    print_hosts(made, output)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every lab on this machine.")
@click.option("--images", is_flag=True, help="The images as well: the next up builds them anew, in two minutes.")
@click.option("--engine", is_flag=True, help="Stop the Docker engine too, if fleet-lab started it.")
@_output
@click.pass_obj
def down(name: str, *, everything: bool, images: bool, engine: bool, output: str) -> None:
    """Remove the lab. The images stay, as a cache."""
    client = connect()
    removed: dict[str, list[str]] = {}
    if client is not None:
        for lab in lab_names(client) if everything else [name]:
            removed[lab] = Lab(lab, client=client).down()
    elif not everything:
        removed[name] = []  # without an engine there is no lab either
    gone = remove_images(client) if images and client is not None else []
    stopped = stop_engine() if engine else None
    if output == "json":
        print_json({"removed": removed, "images": gone, "engine": stopped})
        return
    for lab, hosts in removed.items():
        click.echo(f"removed the lab {lab}: {', '.join(hosts)}" if hosts else f"the lab {lab} was not up")
    for image in gone:
        click.echo(f"removed the image {image}")
    if stopped is not None:
        click.echo(f"stopped the Docker engine, process {stopped}")


@click.command("ls")
@_output
@click.pass_obj
def list_hosts(name: str, output: str) -> None:
    """List the hosts and how they are."""
    client = connect()
    print_hosts(Lab(name, client=client).hosts() if client is not None else [], output)


@click.command("exec", context_settings=_anything)
@_output
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def execute(name: str, host: str, command: tuple[str, ...], output: str) -> None:
    """Run a command on a host as root, with its input, output and exit code."""
    command = command[1:] if command[0] == "--" else command
    if output == "json":
        completed = Lab(name).exec(host, *command)
        print_json(
            {
                "host": host,
                "command": list(command),
                "code": completed.returncode,
                "stdout": completed.stdout,
                "stderr": completed.stderr,
            }
        )
        raise click.exceptions.Exit(completed.returncode)
    _become(Lab(name), host, command)


@click.command()
@click.argument("host")
@click.pass_obj
def shell(name: str, host: str) -> None:
    """Open a root shell on a host."""
    _become(Lab(name), host, ("/bin/bash", "-l"))


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many of the newest."
)
@click.option("-u", "--unit", multiple=True, help="Of these units alone.")
@_output
@click.argument("host")
@click.pass_obj
def logs(name: str, host: str, unit: tuple[str, ...], output: str, *, follow: bool, lines: int) -> None:
    """Show a host's journal."""
    command = ["journalctl", "--no-pager", f"--lines={lines}", *(f"--unit={each}" for each in unit)]
    command += ["--follow"] if follow else []
    command += ["--output=json"] if output == "json" else []
    _become(Lab(name), host, tuple(command))


@click.command("endpoint")
@_output
@click.argument("host", required=False)
@click.pass_obj
def show_endpoint(name: str, host: str | None, output: str) -> None:
    """Print where the API is reached from here: fleetctl --endpoint "$(fleet-lab endpoint)" list-machines."""
    print_value("endpoint", Lab(name).endpoint(host), output)


@click.command()
@_output
def images(output: str) -> None:
    """Build the images, if they are not there, without starting a host."""
    progress = Progress()
    client = ensure_engine(progress)
    built = [
        ensure_base_image(client, progress),
        ensure_host_image(client, progress),
        ensure_host_image(client, progress, engines=True),
    ]
    if output == "json":
        print_json(built)
    else:
        click.echo("\n".join(built))


@click.command("kit")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def kit(directory: Path) -> None:
    """Write all that makes a Debian 12 machine a host into DIRECTORY: a script, wheels, units, SSH keys."""
    write_kit(directory)
    click.echo(f"{directory}/provision.sh makes a machine a host")


@click.command()
@click.option("--keep", is_flag=True, help="Leave the lab up at the end.")
@click.pass_obj
def demo(name: str, *, keep: bool) -> None:
    """Show what fleet does, on three hosts, step by step."""
    run_demo(Lab(name), keep=keep)


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True)
@click.option("--seed", type=int, help="Which faults, and when: the same seed tries the same. By default a random one.")
@click.option("--kind", "kinds", multiple=True, metavar="FAULT", help="Only this kind of fault; several times.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where report, stamps and journals are put: build/chaos/seed-SEED unless said otherwise.",
)
def chaos(minutes: float, seed: int | None, kinds: tuple[str, ...], folder: Path | None) -> None:
    """Break a lab of five hosts at random, and prove from what units wrote down that no promise was broken.

    Ends with 1 if one was. The lab is one of its own, whatever --name says, and is removed at the end.
    """
    from fleetpy_lab.chaos.run import run_chaos  # noqa: PLC0415 - gRPC takes as long to load as all of the rest

    seed = secrets.randbelow(10_000) if seed is None else seed
    if not run_chaos(minutes, seed, folder or Path("build/chaos") / f"seed-{seed}", click.echo, read_kinds(kinds)):
        raise click.exceptions.Exit(1)


def _deed(name: str, done: str, action: Callable[[Lab, str], None], words: str) -> click.Command:
    @click.command(name, help=words)
    @_output
    @click.argument("host")
    @click.pass_obj
    def command(lab_name: str, host: str, output: str) -> None:
        lab = Lab(lab_name)
        action(lab, host)
        if output == "json":
            print_json(asdict(lab.host(host)))
        else:
            click.echo(f"{host} is {done}")

    return command


def _become(lab: Lab, host: str, command: tuple[str, ...]) -> NoReturn:
    """Replace this process with Docker's client, which knows how to pass terminals, signals and input on."""
    docker = shutil.which("docker")
    if docker is None:
        raise LabError("the program docker is missing; install it (Debian: apt-get install docker-cli or docker.io)")
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    arguments = [docker, "exec", "--interactive", *terminal, lab.awake(host).container, *command]
    os.execv(docker, arguments)  # noqa: S606 - no shell is wanted


def read_metadata(given: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Metadata by host, from `HOST:KEY=VALUE`s; raises `LabUsageError`."""
    metadata: dict[str, dict[str, str]] = {}
    for text in given:
        host, colon, pair = text.partition(":")
        key, equals, value = pair.partition("=")
        if not (colon and equals and key):
            raise LabUsageError(f"--metadata {text}: expected HOST:KEY=VALUE, as in host1:region=eu")
        metadata.setdefault(host, {})[key] = value
    return metadata


def read_kinds(given: tuple[str, ...]) -> tuple[FaultKind, ...]:
    """Kinds of faults by their names, all of them if none is named; raises `LabUsageError`."""
    try:
        return tuple(FaultKind(name) for name in given) or tuple(FaultKind)
    except ValueError as error:
        raise LabUsageError(f"{error}; there are: {', '.join(FaultKind)}") from error


COMMANDS = (
    up,
    down,
    list_hosts,
    execute,
    shell,
    _deed("kill", "dead", Lab.kill, "Take the power away from a host."),
    _deed("revive", "up again", Lab.revive, "Start a dead host again: same disk, machine id and address."),
    _deed("partition", "cut off", Lab.partition, "Cut a host off from all others; its processes go on."),
    _deed("heal", "connected", Lab.heal, "Connect a host that was cut off."),
    _deed("pause", "paused", Lab.pause, "Freeze every process of a host."),
    _deed("resume", "running", Lab.resume, "Thaw a paused host."),
    logs,
    show_endpoint,
    images,
    kit,
    demo,
    chaos,
)
"""Every command of `fleet-lab`."""
