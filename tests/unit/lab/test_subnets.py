from __future__ import annotations

from ipaddress import IPv4Network
from itertools import islice

from fleetpy_lab.network import free_subnets, parse_routes

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0102000A	0003	0	0	0	00000000	0	0	0
eth0	0002000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
br0	0000D50A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


def test_routes_are_read_without_the_default_route() -> None:
    assert parse_routes(ROUTES) == [IPv4Network("10.0.2.0/24"), IPv4Network("10.213.0.0/16")]


def test_a_subnet_overlaps_with_nothing_that_is_taken() -> None:
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.2.128/25")]
    found = list(islice(free_subnets(taken), 2))
    assert found == [IPv4Network("10.213.1.0/24"), IPv4Network("10.213.3.0/24")]


def test_no_subnet_is_left_when_all_are_taken() -> None:
    assert list(free_subnets([IPv4Network("10.0.0.0/8")])) == []
