"""The HTTP API's client: fleetpy's own API, and the original's."""
