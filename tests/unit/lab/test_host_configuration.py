from __future__ import annotations

from pathlib import Path

from fleetpy.config.file import parse_settings
from fleetpy.config.fleet import build_config
from fleetpy_lab.host import HostPlan, etcd_environment, fleet_conf

MEMBERS = {"host1": "10.213.0.11", "host2": "10.213.0.12", "host3": "10.213.0.13"}
HOST2 = HostPlan("host2", "10.213.0.12", MEMBERS, {"region": "eu", "disk": "ssd"}, Path("/lab/host2"))


def test_fleet_reads_its_configuration_and_asks_its_own_member_first() -> None:
    config = build_config(parse_settings(fleet_conf(HOST2), "fleet.conf"))
    assert config.etcd_servers == ("http://10.213.0.12:2379", "http://10.213.0.11:2379", "http://10.213.0.13:2379")
    assert config.public_ip == "10.213.0.12"
    assert config.metadata == {"region": "eu", "disk": "ssd"}


def test_a_member_knows_all_members_and_listens_on_both_client_ports() -> None:
    environment = dict(line.split("=", 1) for line in etcd_environment("mylab", HOST2).splitlines())
    assert environment == {
        "ETCD_NAME": "host2",
        "ETCD_LISTEN_PEER_URLS": "http://0.0.0.0:2380",
        "ETCD_LISTEN_CLIENT_URLS": "http://0.0.0.0:2379,http://0.0.0.0:4001",
        "ETCD_ADVERTISE_CLIENT_URLS": "http://10.213.0.12:2379,http://10.213.0.12:4001",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": "http://10.213.0.12:2380",
        "ETCD_INITIAL_CLUSTER": (
            "host1=http://10.213.0.11:2380,host2=http://10.213.0.12:2380,host3=http://10.213.0.13:2380"
        ),
        "ETCD_INITIAL_CLUSTER_TOKEN": "mylab",
    }
