"""The lab's etcd, one member on each of the first hosts: open to everybody, or secured.

The secured one is what the documentation asks for: TLS with certificates on both sides, among members too, a user
whose role reaches no further than fleet's own keys, and tokens that are soon forgotten. It listens on etcd's old port
alone, so a fleet that works there takes everything from its configuration and nothing from its defaults.
`recipe/host/provision.sh` sets either up.
"""

from __future__ import annotations

from dataclasses import dataclass

_FILES = "/etc/fleet/etcd"
_ROOT = "root:fleet-lab"
_USER = "fleet:fleet-lab"
_PREFIX = "/fleetpy/v1/"
_TOKEN_SECONDS = 10
MOST_MEMBERS = 5
"""A larger etcd cluster is slower and no safer (etcd's FAQ)."""


@dataclass(frozen=True, slots=True)
class Etcd:
    """How the etcd of a lab is set up."""

    secure: bool = False
    members: int = MOST_MEMBERS
    """How many hosts of a new lab have one, at most."""

    def client_url(self, address: str) -> str:
        """Where the member at that address takes clients."""
        return f"https://{address}:4001" if self.secure else f"http://{address}:2379"

    def arguments(self) -> list[str]:
        """Options of provision.sh."""
        return [f"--secure-etcd={_USER}"] if self.secure else []

    def files(self) -> dict[str, str]:
        """Files of a host: path to text."""
        if not self.secure:
            return {}
        drop_in = f"[Service]\nEnvironment=ETCD_AUTH_TOKEN_TTL={_TOKEN_SECONDS}\n"
        return {"/etc/systemd/system/etcd.service.d/lab.conf": drop_in}

    def tool(self) -> dict[str, str]:
        """What has `etcdctl` speak with the host's own member (`ETCDCTL_*` variables)."""
        if not self.secure:
            return {"ETCDCTL_API": "3"}
        return {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": self.client_url("127.0.0.1"),
            "ETCDCTL_CACERT": f"{_FILES}/ca.pem",
            "ETCDCTL_CERT": f"{_FILES}/client.pem",
            "ETCDCTL_KEY": f"{_FILES}/client.key",
            "ETCDCTL_USER": _ROOT,
        }

    def users(self) -> list[list[str]]:
        """The commands of `etcdctl` that make fleet's user, once, and have everybody show who they are."""
        name = _USER.partition(":")[0]
        return [
            ["user", "add", _ROOT],
            ["user", "grant-role", "root", "root"],
            ["role", "add", name],
            ["role", "grant-permission", name, "--prefix=true", "readwrite", _PREFIX],
            ["user", "add", _USER],
            ["user", "grant-role", name, name],
            ["auth", "enable"],
        ]
