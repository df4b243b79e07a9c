"""The PEM files that options name: whether they can be used and, if not, what to do about it.

What cannot is a `ConfigError` that begins with the option's origin.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from fleetpy.errors import ConfigError

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_KEY_END = "PRIVATE KEY-----"
_MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and where it was named; no file if `path` is empty."""

    path: str
    origin: str

    def __bool__(self) -> bool:
        return bool(self.path)


def check_authorities(file: NamedFile) -> None:
    """The file holds certificates of authorities."""
    _check_certificates(file)


def check_identity(certificate: NamedFile, key: NamedFile) -> None:
    """The files hold a certificate, maybe with those that signed it behind it, and its key."""
    _check_certificates(certificate)
    text = _read(key)
    if _KEY_END not in text:
        raise ConfigError(
            f"{key.origin}: {key.path} holds no private key in PEM form; `openssl pkey -in {key.path} -out NEW.pem` "
            "makes one of another form"
        )
    if "ENCRYPTED" in text:
        raise ConfigError(
            f"{key.origin}: the key in {key.path} is under a passphrase, which nobody is there to type; "
            f"`openssl pkey -in {key.path} -out NEW.pem` writes it without"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate.path, key.path, password="")
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            raise ConfigError(
                f"{key.origin}: the key in {key.path} is not that of the certificate in {certificate.path}; "
                "name the pair that was made together"
            ) from error
        raise ConfigError(f"{key.origin}: the key in {key.path} is damaged ({error.reason}); copy it anew") from error


def _check_certificates(file: NamedFile) -> None:
    text = _read(file)
    if _CERTIFICATE not in text:
        raise ConfigError(
            f"{file.origin}: {file.path} holds no certificate in PEM form ({_CERTIFICATE}); "
            f"`openssl x509 -in {file.path} -out NEW.pem` makes one of another form"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{file.origin}: a certificate in {file.path} is damaged ({error.reason}); copy it anew"
        ) from error


def _read(file: NamedFile) -> str:
    try:
        return Path(file.path).read_text(encoding="ascii", errors="ignore")
    except OSError as error:
        raise ConfigError(
            f"{file.origin}: cannot read {file.path} ({error.strerror}); name a PEM file that root can read"
        ) from error
