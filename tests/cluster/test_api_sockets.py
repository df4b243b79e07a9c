"""The API's socket unit as an administrator extends it: further addresses, with TLS and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.cluster import HOSTS, PATIENCE, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONF = "/etc/fleet/fleet.conf"
DROP_IN = "/etc/systemd/system/fleet-api.socket.d/local.conf"


@pytest.fixture
def extended(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster; afterwards host1's socket unit and configuration are as before."""
    before = cluster.said("host1", "cat", CONF)
    yield cluster
    cluster.lab.put("host1", CONF, before)
    cluster.lab.exec("host1", "rm", DROP_IN, check=True)
    open_sockets(cluster)


def listen(cluster: Cluster, *addresses: str) -> None:
    """Have host1's socket unit listen on these too, as its users do that (docs/deploying.md)."""
    cluster.lab.put("host1", DROP_IN, "[Socket]\n" + "".join(f"ListenStream={address}\n" for address in addresses))
    open_sockets(cluster)


def open_sockets(cluster: Cluster) -> None:
    for command in (
        ("daemon-reload",),
        ("stop", "fleet-api.service"),
        ("reset-failed", "fleet-api.service"),
        ("restart", "fleet-api.socket"),
    ):
        cluster.lab.exec("host1", "systemctl", *command, check=command[0] != "reset-failed")


def test_a_socket_unit_with_several_addresses_is_served_on_all_of_them(extended: Cluster) -> None:
    listen(extended, "/run/second.sock", "127.0.0.1:49153", "127.0.0.2:49154")
    endpoints = (
        "unix:///run/fleet.sock",
        "unix:///run/second.sock",
        "http://127.0.0.1:49153",
        "http://127.0.0.2:49154",
    )

    def answers() -> list[int]:
        asked = ("--no-legend", "--fields=hostname")
        return [
            len(extended.lab.fleetctl("--endpoint", endpoint, "list-machines", *asked, host="host1").stdout.split())
            for endpoint in endpoints
        ]

    assert answers() == [len(HOSTS)] * len(endpoints)
    pid = extended.main_pid("host1", "fleet-api.service")
    extended.lab.exec("host1", "systemctl", "reload", "fleet-api.service", check=True)
    assert answers() == [len(HOSTS)] * len(endpoints)
    assert extended.main_pid("host1", "fleet-api.service") == pid


def test_an_address_of_the_host_serves_clients_with_a_certificate_alone(extended: Cluster, tmp_path: Path) -> None:
    address = extended.lab.host("host1").address
    listen(extended, f"{address}:49153")
    extended.lab.fleetctl("--request-timeout=1", "list-machines", host="host1", check=False)
    extended.lab.wait_until(
        lambda: f"will not listen on {address} port 49153 for everybody" in journal(extended), PATIENCE, "it refuses"
    )
    authority = trustme.CA()
    certificate, client = authority.issue_cert(address), authority.issue_cert("alice@example.com")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "me.key"))
    extended.lab.put("host1", "/etc/fleet/ca.pem", authority.cert_pem.bytes().decode())
    extended.lab.put("host1", "/etc/fleet/api.pem", certificate.cert_chain_pems[0].bytes().decode())
    extended.lab.put("host1", "/etc/fleet/api.key", certificate.private_key_pem.bytes().decode())
    options = ("api_certfile=/etc/fleet/api.pem", "api_keyfile=/etc/fleet/api.key", "api_cafile=/etc/fleet/ca.pem")
    extended.lab.put("host1", CONF, "\n".join((extended.said("host1", "cat", CONF).rstrip(), *options, "")))
    open_sockets(extended)

    remote = [f"--endpoint=https://{address}:49153", f"--ca-file={tmp_path}/ca.pem"]
    refused = extended.fleetctl(*remote, "list-machines", check=False)
    assert (refused.returncode, "clients with a certificate alone" in refused.stderr) == (1, True)
    mine = (f"--cert-file={tmp_path}/me.pem", f"--key-file={tmp_path}/me.key")
    name = extended.write("remote.service")
    assert extended.fleetctl(*remote, *mine, "start", name).returncode == 0
    assert name in extended.running()
    plain = extended.fleetctl(f"--endpoint=http://{address}:49153", "list-machines", check=False)
    assert (plain.returncode, "write https://" in plain.stderr) == (1, True)


def journal(cluster: Cluster) -> str:
    return cluster.said("host1", "journalctl", "--no-pager", "--output=cat", "--unit=fleet-api.service", "--boot")
