"""TLS on the API's TCP sockets: the certificate that it shows, and the authority of those that it asks for."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from fleetpy.config.tls import check_authorities, check_identity

if TYPE_CHECKING:
    from fleetpy.config import FleetConfig


def server_context(config: FleetConfig) -> ssl.SSLContext | None:
    """Our side of TLS, from the files as they are now; None if no certificate is configured.

    With `api_cafile` clients are asked for a certificate, and one that others have signed ends the handshake. One that
    shows none gets through it, to be told (`asks_for_certificate`). Raises `ConfigError`.
    """
    if not config.api_certfile:
        return None
    check_identity(config.file("api_certfile"), config.file("api_keyfile"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.api_certfile, config.api_keyfile)
    if config.api_cafile:
        check_authorities(config.file("api_cafile"))
        context.load_verify_locations(config.api_cafile)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def asks_for_certificate(context: ssl.SSLContext) -> bool:
    """Whether only clients with a certificate are to be served."""
    return context.verify_mode is not ssl.CERT_NONE
