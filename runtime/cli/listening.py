"""Where a store is served and with which certificate, checked before anything is opened."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from runtime.errors import AddressUnusable

PORT = 2113
"""The port that KurrentDB's clients expect."""


def address(listen: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises `AddressUnusable`.

    >>> address("127.0.0.1:2113"), address("[::1]:0")
    (('127.0.0.1', 2113), ('[::1]', 0))
    """
    host, separator, number = listen.rpartition(":")
    if not separator or not host or not number.isdecimal() or int(number) > 65535:
        raise AddressUnusable(f"{listen!r} is no address: give HOST:PORT, as 127.0.0.1:{PORT}")
    return host, int(number)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_listenable(host: str, port: int) -> None:
    """Raise `AddressUnusable` unless this process could listen there now."""
    where = f"{host}:{port} cannot be listened on"
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise AddressUnusable(f"{where} ({said}): correct its host") from None
    refused: OSError | None = None
    for family, kind, protocol, _, place in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
                tried.listen()
        except OSError as error:
            refused = error
        else:
            return
    said = refused.strerror if refused else "no address"
    raise AddressUnusable(f"{where} ({said}): give a free port, and an address of this machine")


def check_pair(certificate: Path | None, key: Path | None) -> tuple[bytes | None, bytes | None]:
    """A certificate chain and its key, as PEM. Raises `AddressUnusable` unless they are a pair."""
    chain, secret = read_pem(certificate), read_pem(key)
    if chain is None or secret is None:
        return None, None
    public = certificates(chain, certificate)[0].public_key()
    try:
        pair = load_pem_private_key(secret, None).public_key()
    except TypeError:
        raise AddressUnusable(f"{key} is encrypted: give a key without passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise AddressUnusable(f"{key} holds no private key: give it as PEM") from None
    if pair != public:
        raise AddressUnusable(f"{certificate} and {key} do not belong together: give a pair")
    return chain, secret


def certificates(pem: bytes, path: Path | None) -> list[Certificate]:
    """The certificates in a file. Raises `AddressUnusable` if it holds none."""
    try:
        return load_pem_x509_certificates(pem)
    except ValueError:
        raise AddressUnusable(f"{path} holds no certificates: give them as PEM") from None


def read_pem(path: Path | None) -> bytes | None:
    """What is in a file, None for no file. Raises `AddressUnusable`."""
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise AddressUnusable(f"{path} cannot be read ({error.strerror}): check the path") from None
