"""A program `ssh` that goes nowhere: it notes how it was called, and runs the remote command right here.

It knows as much of OpenSSH as fleetctl uses: options before `--`, a master that other sessions share, `-W`, `-O exit`.
Beside it are `journalctl`, `systemctl` and `sudo`, which only tell how they were called.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_SSH = f"""#!{sys.executable}
import json, os, socket, sys, threading
arguments = sys.argv[1:]
with open(os.environ["FAKE_SSH_LOG"], "a") as log:
    log.write(json.dumps(["ssh", *arguments]) + "\\n")
end = arguments.index("--")
options, host, remote = arguments[:end], arguments[end + 1], arguments[end + 2:]
path = next((word.partition("=")[2] for word in options if word.startswith("ControlPath=")), None)
if host == os.environ.get("FAKE_SSH_DEAD"):
    print("ssh: connect to host", host, "port 22: No route to host", file=sys.stderr)
    sys.exit(255)
if "-O" in options:
    os.unlink(path)
elif "ControlMaster=yes" in options:
    open(path, "x").close()
elif "-W" in options:
    to, _, port = options[options.index("-W") + 1].rpartition(":")
    there = socket.create_connection((to.strip("[]"), int(port)))
    def send():
        while data := os.read(0, 65536):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
    threading.Thread(target=send, daemon=True).start()
    while data := there.recv(65536):
        os.write(1, data)
    os._exit(0)
elif remote:
    os.execvp("sh", ["sh", "-c", " ".join(remote)])
"""

_TOLD = f"""#!{sys.executable}
import json, os, sys
name = os.path.basename(sys.argv[0])
with open(os.environ["FAKE_SSH_LOG"], "a") as log:
    log.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
print(f"{{name}} was here", flush=True)
if name == "sudo":
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit(int(os.environ.get(f"FAKE_{{name.upper()}}_CODE", "0")))
"""


@dataclass(frozen=True, slots=True)
class FakeSSH:
    """The programs, and what they were called with."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which these programs are found; what is beside Python (our fleetctl) comes next."""
        return {
            "PATH": f"{self.folder}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FAKE_SSH_LOG": str(self.folder / "log"),
        }

    def calls(self, program: str = "ssh") -> list[list[str]]:
        """The arguments of each run of a program, in order."""
        log = self.folder / "log"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [words[1:] for words in lines if words[0] == program]


def install_fake_ssh(folder: Path) -> FakeSSH:
    """Put the programs into a new folder."""
    folder.mkdir()
    for name, text in {"ssh": _SSH, "journalctl": _TOLD, "systemctl": _TOLD, "sudo": _TOLD}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return FakeSSH(folder)
