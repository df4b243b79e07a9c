"""The HTTP API's entities, as they stand on the wire: stdlib dataclasses that server and client share.

Plain dataclasses, since `fleetctl` reads them: it must start in a blink and imports no pydantic for it; the server
hands them to FastAPI, which checks input and writes the OpenAPI document from the same definitions.
"""
