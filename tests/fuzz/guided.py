"""`python -m tests.fuzz.guided TARGET [libFuzzer's options] [folders]`: fuzz one target, guided by coverage."""

from __future__ import annotations

import sys

import atheris

from tests.fuzz import catalogue


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough, or until something breaks."""
    with atheris.instrument_imports(include=["fleetpy", "fleetpy_api", "tests.fuzz.targets"]):
        target = catalogue.load(sys.argv[1])
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
