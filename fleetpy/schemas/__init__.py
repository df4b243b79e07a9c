"""The HTTP API's entities, as they stand on the wire: stdlib dataclasses that server and client share.

Plain dataclasses, since `fleetctl` reads them: it must start in a blink and imports no library for it. From the same
definitions the server checks input (msgspec) and writes the OpenAPI document (pydantic, when that is asked for).
"""
