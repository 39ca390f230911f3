"""Keys in a directory: one encrypted PKCS#8 PEM file (RFC 5958) a key, mode 0600."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from runtime.errors import (
    KeyExists,
    KeyInvalid,
    KeyMissing,
    PassphraseMissing,
    PassphraseWrong,
)
from runtime.events import NAME
from runtime.identity.keys import SigningKey, VerifyingKey

PASSPHRASE_VARIABLE = "LUCENT_PASSPHRASE"  # noqa: S105 (a variable's name)
"""The environment variable a passphrase is taken from."""

LONGEST_PASSPHRASE = 1_023
"""In bytes; OpenSSL's limit."""


def read_passphrase(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> bytes:
    """The passphrase: the first line of `file`, or else LUCENT_PASSPHRASE.

    Raises `PassphraseMissing` if there is neither, or if it is empty.
    """
    if file is None:
        text = environment.get(PASSPHRASE_VARIABLE, "")
    else:
        try:
            text = file.read_text().partition("\n")[0].rstrip("\r")
        except OSError as error:
            raise PassphraseMissing(f"cannot read {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise PassphraseMissing(
                f"{file} holds no text: write the passphrase as UTF-8"
            ) from None
    if not text:
        raise PassphraseMissing(
            f"no passphrase: set {PASSPHRASE_VARIABLE} or name a file that holds it"
        )
    return text.encode()


class Keyring:
    """The keys in `directory`, one `<name>.pem` each, with the public part in `<name>.pub`.

    Listing and public parts need no passphrase. The directory is made, mode 0700, by the
    first `create`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self, name: str, passphrase: bytes) -> SigningKey:
        """Make a new key; `KeyExists` if there is one of that name already.

        Raises `KeyInvalid` for a name or passphrase it cannot have.
        """
        if not NAME.fullmatch(name):
            raise KeyInvalid(f"{name!r} cannot name a key: use letters, digits, '.', '-', '_'")
        if not 1 <= len(passphrase) <= LONGEST_PASSPHRASE:
            raise KeyInvalid(f"a passphrase has 1 to {LONGEST_PASSPHRASE} bytes")
        key = SigningKey(Ed25519PrivateKey.generate())
        encryption = BestAvailableEncryption(passphrase)
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._private(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            if error.filename == str(self.directory):
                raise KeyInvalid(f"{self.directory} is a file, not a directory of keys") from None
            raise KeyExists(f"a key named {name!r} exists in {self.directory}") from None
        except OSError as error:
            raise KeyInvalid(f"cannot write to {self.directory}: {error.strerror}") from None
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        self._public(name).write_text(key.did + "\n")
        return key

    def load(self, name: str, passphrase: bytes) -> SigningKey:
        """Open a key; raises `KeyMissing`, `KeyInvalid` or `PassphraseWrong`."""
        pem = self._read(name, self._private(name))
        try:
            private = load_pem_private_key(pem, passphrase)
        except (TypeError, ValueError) as error:
            if b"ENCRYPTED" in pem:
                raise PassphraseWrong(f"the passphrase does not open key {name!r}") from None
            wrong = "it is not encrypted" if isinstance(error, TypeError) else str(error)
            raise KeyInvalid(
                f"{self._private(name)}: {wrong}; make keys with 'lucent keys create'"
            ) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyInvalid(f"{self._private(name)} is not an Ed25519 key")
        key = SigningKey(private)
        if self._public(name).exists() and self.public(name).did != key.did:
            raise KeyInvalid(
                f"{self._private(name)} holds {key.did}, but {self._public(name)} names another"
                " key: one of the two is damaged"
            )
        return key

    def public(self, name: str) -> VerifyingKey:
        """The public part of a key; needs no passphrase."""
        path = self._public(name)
        text = self._read(name, path).decode("utf-8", "replace").strip()
        try:
            return VerifyingKey.of(text)
        except KeyInvalid:  # what it says of the content might be a secret
            raise KeyInvalid(f"{path} does not hold the did:key of an Ed25519 public key") from None

    def names(self) -> list[str]:
        """The names of all keys, sorted."""
        return sorted(path.stem for path in self.directory.glob("*.pem"))

    def _private(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def _public(self, name: str) -> Path:
        return self.directory / f"{name}.pub"

    def _read(self, name: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise KeyMissing(
                f"no key named {name!r} in {self.directory}: make it with"
                f" `lucent keys create {quote(name)} --keys {quote(str(self.directory))}`"
            ) from None
        except OSError as error:
            raise KeyInvalid(f"cannot read {path}: {error.strerror}") from None
