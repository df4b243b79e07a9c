"""Certificates and keys that fleet.conf names, and what is said of those that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate

from fleetpy.config import load_config
from fleetpy.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an authority's certificate, a client's, and its key; and with what is none of these."""
    authority = trustme.CA()
    client = authority.issue_cert("client.example.com")
    cert, key = client.cert_chain_pems[0].bytes(), client.private_key_pem.bytes()
    private = load_pem_private_key(key, None)
    files = {
        "ca.pem": authority.cert_pem.bytes(),
        "cert.pem": b"Subject: \xc3\xa9\n" + cert,
        "key.pem": key,
        "other.key": trustme.CA().issue_cert("other.example.com").private_key_pem.bytes(),
        "cert.der": load_pem_x509_certificate(cert).public_bytes(Encoding.DER),
        "key.der": private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "locked.key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "torn.pem": cert[:200] + b"\n-----END CERTIFICATE-----\n",
        "torn.key": key[:100] + key[key.index(b"-----END") :],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def load(folder: Path, ca: str = "ca.pem", cert: str = "cert.pem", key: str = "key.pem") -> None:
    conf = folder / "fleet.conf"
    conf.write_text(
        f"etcd_servers=https://127.0.0.1:2379\n"
        f"etcd_cafile={folder / ca}\netcd_certfile={folder / cert}\netcd_keyfile={folder / key}\n"
    )
    load_config(conf, {})


def test_files_that_can_be_used_are_no_error(folder: Path) -> None:
    load(folder)


@pytest.mark.parametrize(
    ("files", "line", "said"),
    [
        ({"ca": "none.pem"}, "2: etcd_cafile", "cannot read {}/none.pem (No such file or directory); name a PEM file"),
        ({"ca": "."}, "2: etcd_cafile", "cannot read {} (Is a directory); name a PEM file"),
        ({"ca": "key.pem"}, "2: etcd_cafile", "{}/key.pem holds no certificate in PEM form"),
        ({"cert": "cert.der"}, "3: etcd_certfile", "`openssl x509 -in {}/cert.der -out NEW.pem` makes one"),
        ({"cert": "torn.pem"}, "3: etcd_certfile", "a certificate in {}/torn.pem is damaged"),
        (
            {"key": "none.pem"},
            "4: etcd_keyfile",
            "cannot read {}/none.pem (No such file or directory); name a PEM file",
        ),
        ({"key": "key.der"}, "4: etcd_keyfile", "`openssl pkey -in {}/key.der -out NEW.pem` makes one"),
        ({"key": "locked.key"}, "4: etcd_keyfile", "`openssl pkey -in {}/locked.key -out NEW.pem` writes it without"),
        ({"key": "torn.key"}, "4: etcd_keyfile", "the key in {}/torn.key is damaged"),
        ({"key": "other.key"}, "4: etcd_keyfile", "{}/other.key is not that of the certificate in {}/cert.pem"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_option_and_what_to_do(
    folder: Path, files: dict[str, str], line: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, **files)
    message = str(caught.value)
    assert message.startswith(f"{folder}/fleet.conf:{line}: ")
    assert said.replace("{}", str(folder)) in message
    assert "\n" not in message
