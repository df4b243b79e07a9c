"""How many requests etcd's members were sent, by kind: from their own metrics."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from fleetpy_lab.lab import Lab

_RECEIVED = re.compile(r'^grpc_server_msg_received_total\{.*grpc_method="(\w+)".*\} (\S+)$', re.MULTILINE)
"""Each message of a stream counts: renewals of a lease are one stream."""


def requests_so_far(lab: Lab) -> Counter[str]:
    """What clients have sent to all members together since these began, by method of etcd's API."""
    found: Counter[str] = Counter()
    for host in lab.hosts():
        if host.etcd:
            text = httpx.get(f"http://{host.address}:2379/metrics").raise_for_status().text
            for method, count in _RECEIVED.findall(text):
                found[method] += int(float(count))
    return found
