"""httpx without its own command line.

`import httpx` also imports that command line, and with it rich and pygments: a third of the time that it takes
(60 of 170 ms on the machine this was measured on), in every fleetctl. httpx goes on without it when its import fails,
and None in `sys.modules` makes an import fail (importlib's documentation). Nothing else is touched, and only while
httpx is imported for the first time.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

if "httpx" in sys.modules:
    import httpx
else:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        import httpx
    finally:
        del sys.modules[_COMMAND_LINE]

__all__ = ["httpx"]
