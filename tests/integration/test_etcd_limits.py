"""An etcd that takes less at once than it does by default."""

from __future__ import annotations

import pytest

from fleetpy.registry.etcd import EtcdSettings, connect
from fleetpy.registry.protocol import Put, RequestTooLargeError
from tests.support.etcd import EtcdServer, until_answering

LIMIT = 64 * 1024


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * 1024 * 1024])
async def test_what_it_does_not_take_is_told_and_not_written(size: int) -> None:
    with EtcdServer(f"--max-request-bytes={LIMIT}") as server:
        registry = connect(EtcdSettings((server.url,)))
        try:
            await until_answering(registry)
            with pytest.raises(RequestTooLargeError, match="--max-request-bytes must be its default"):
                await registry.commit([Put("/a", b"x" * size)])
            assert await registry.get("/a") is None
            await registry.commit([Put("/a", b"x" * (LIMIT - 1000))])
        finally:
            await registry.close()
