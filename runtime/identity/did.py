"""did:key names of Ed25519 public keys (W3C CCG, "The did:key Method v0.7").

The name holds the key: multibase `z` (base58btc) of the multicodec prefix 0xed01 and
the 32 bytes.
"""

from __future__ import annotations

from runtime.errors import KeyInvalid

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {digit: value for value, digit in enumerate(_ALPHABET)}
_PREFIX = "did:key:z"
_MULTICODEC = b"\xed\x01"


def did_of(public: bytes) -> str:
    """The did:key of a raw Ed25519 public key (32 bytes).

    >>> did_of(bytes(32))
    'did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP'
    """
    number = int.from_bytes(_MULTICODEC + public, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    return _PREFIX + "".join(reversed(digits))


def public_of(did: str) -> bytes:
    """The raw Ed25519 public key named by a did:key; `KeyInvalid` for anything else.

    >>> public_of(did_of(bytes(32))) == bytes(32)
    True
    """
    digits = did.removeprefix(_PREFIX)
    number = 0
    for digit in digits:
        number = number * 58 + _VALUE.get(digit, 0)
    length = (number.bit_length() + 7) // 8
    raw = number.to_bytes(length, "big")
    public = raw[len(_MULTICODEC) :]
    if length != 34 or not raw.startswith(_MULTICODEC) or did_of(public) != did:
        raise KeyInvalid(f"{did!r} is not the did:key of an Ed25519 public key")
    return public
