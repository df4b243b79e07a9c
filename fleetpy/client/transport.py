"""An HTTP client that gets to an endpoint: by unix socket, TCP, or TLS; directly, or by a route already open."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import fleetpy
from fleetpy.client.httpx_lean import httpx
from fleetpy.errors import UsageError

if TYPE_CHECKING:
    from fleetpy.client.endpoint import Endpoint, Route, TLSFiles


def open_http(endpoint: Endpoint, tls: TLSFiles, timeout: float, route: Route | None = None) -> httpx.Client:
    """An HTTP client for the endpoint; `timeout` is in seconds and for one request.

    No proxy or netrc of the environment has a say in where a cluster's root API is. Raises `UsageError` when the
    certificates cannot be used.
    """
    if tls and endpoint.socket is None and not endpoint.is_encrypted:
        raise UsageError(f"certificates were given, but endpoint {endpoint.text!r} is not encrypted; write https://")
    socket = endpoint.socket if route is None else route.socket
    transport = httpx.HTTPTransport(uds=socket, verify=_tls_context(endpoint, tls), trust_env=False)
    return httpx.Client(
        base_url=endpoint.url,
        transport=transport,
        timeout=timeout,
        trust_env=False,
        headers={"User-Agent": f"fleetctl/{fleetpy.__version__}"},
    )


def _tls_context(endpoint: Endpoint, tls: TLSFiles) -> ssl.SSLContext:
    if not endpoint.is_encrypted:
        # httpx asks for one in any case; loading the system's certificates takes longer than a whole request.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (tls.cert is None) != (tls.key is None):
        raise UsageError("--cert-file and --key-file belong together; give both or neither")
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise UsageError(f"certificates of authorities cannot be read from {tls.ca}: {error}") from error
    if tls.cert is not None and tls.key is not None:
        try:
            context.load_cert_chain(tls.cert, tls.key)
        except OSError as error:
            raise UsageError(f"certificate {tls.cert} with key {tls.key} cannot be used: {error}") from error
    return context
