"""Renewing leases of an etcd that is slow to answer."""

from __future__ import annotations

import contextlib

from fleetpy.errors import UnavailableError
from fleetpy.registry.etcd import EtcdSettings, connect
from tests.support.etcd import EtcdServer, until_answering

TRIES = 400
LEAST, STEP = 0.001, 0.00005


async def test_a_renewal_that_runs_out_of_time_at_any_point_says_that_etcd_is_away() -> None:
    """gRPC has errors of its own for a call that ends while more is said; one of them ended the lease's thread."""
    with EtcdServer() as server:
        registry = connect(EtcdSettings((server.url,)))
        await until_answering(registry)
        lease = await registry.grant_lease(600)
        await registry.close()
        for number in range(TRIES):
            # Behind a request that has had more time, one that has hardly any: it ends anywhere on its way.
            hurried = connect(EtcdSettings((server.url,), request_timeout=0.25))
            await until_answering(hurried)
            hurried._requests.timeout = LEAST + number % 100 * STEP
            with contextlib.suppress(UnavailableError):
                assert await hurried.renew_lease(lease) > 0
            await hurried.close()
