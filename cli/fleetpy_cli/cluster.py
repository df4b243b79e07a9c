"""The way from a session to its cluster. Only commands that talk to one import this: it imports the HTTP client."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fleetpy.client.client import FleetClient
from fleetpy.client.endpoint import TLSFiles, parse_endpoint

if TYPE_CHECKING:
    from fleetpy.client.endpoint import Route
    from fleetpy_cli.session import Session


def connect(session: Session) -> FleetClient:
    """A client of the cluster's API, to be closed after use."""
    if session.debug:
        logging.basicConfig(format="%(asctime)s %(message)s")
        logging.getLogger("httpx").setLevel(logging.INFO)  # a line for each request
    tls = TLSFiles(session.ca_file, session.cert_file, session.key_file)
    return FleetClient(session.endpoint, tls, session.request_timeout, _route(session))


def _route(session: Session) -> Route | None:
    if not session.tunnel:
        return None
    from fleetpy_cli.tunnel import tunnel_of  # noqa: PLC0415 - most runs go the direct way

    return tunnel_of(session).route_to(parse_endpoint(session.endpoint))
