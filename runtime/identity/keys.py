"""Ed25519 keys (RFC 8032) of agents and runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runtime.identity.did import did_of, public_of


class SigningKey:
    """A private key: signs, and is named by the did:key of its public part.

    Its text form shows the public part only. It can be sent to another process; the raw
    private bytes then travel with it.

    >>> key = SigningKey.demo("scout")
    >>> VerifyingKey.of(key.did).verifies(key.sign(b"x"), b"x")
    True
    """

    __slots__ = ("_private", "did", "sign")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.did = did_of(private.public_key().public_bytes_raw())
        self.sign = private.sign

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed (the RFC 8032 private key)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def demo(cls, name: str) -> SigningKey:
        """A key anyone can derive from `name`: shows the proof at work, proves no author."""
        return cls.from_seed(sha256(b"lucent demo key, not a secret: " + name.encode()).digest())

    @property
    def private(self) -> Ed25519PrivateKey:
        """The private key itself, for storing it encrypted."""
        return self._private

    def __repr__(self) -> str:
        return f"SigningKey({self.did})"

    def __reduce__(self) -> tuple[object, ...]:
        return SigningKey.from_seed, (self._private.private_bytes_raw(),)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public part of a key, enough to check its signatures."""

    did: str
    _public: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, did: str) -> VerifyingKey:
        """The key named by a did:key; `KeyInvalid` if it names none."""
        return cls(did, Ed25519PublicKey.from_public_bytes(public_of(did)))

    @property
    def pem(self) -> str:
        """SubjectPublicKeyInfo in PEM (RFC 8410)."""
        return self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `message`."""
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True
