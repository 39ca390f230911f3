"""What is kept of a password: a salted scrypt digest (RFC 7914). Pure.

Written as a PHC string: `$scrypt$ln=15,r=8,p=3$<salt>$<digest>`, the last two in Base64
without padding, `ln` being the binary logarithm of the cost N.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import scrypt
from hmac import compare_digest

from runtime.errors import UserInvalid

SALT_BYTES, DIGEST_BYTES = 16, 32
LONGEST_PASSWORD = 1_024
"""In bytes of UTF-8."""

MOST_MEMORY = 256 * 1024 * 1024
"""The most that a digest may take to be computed, in bytes."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What neither a login nor a password may hold (RFC 7617)."""

_FORM = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a digest costs: about 0.2 s and 32 MiB unless told otherwise (OWASP's advice)."""

    log_n: int = 15
    r: int = 8
    p: int = 3

    @property
    def memory(self) -> int:
        """In bytes."""
        return 128 * self.r * ((1 << self.log_n) + self.p + 2)

    @property
    def bearable(self) -> bool:
        """Whether it is a cost at all, and may be asked of a server."""
        return self.log_n >= 1 and self.r >= 1 and 1 <= self.p <= 16 and self.memory <= MOST_MEMORY


@dataclass(frozen=True, slots=True)
class Verifier:
    """Tells a password from others, and does not hold it."""

    cost: Cost
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str, salt: bytes, cost: Cost) -> Verifier:
        """The verifier of `password`; `salt` must be random. Takes as long as the cost says."""
        return cls(cost, salt, _digest(password, salt, cost, DIGEST_BYTES))

    @classmethod
    def read(cls, text: str) -> Verifier:
        """Read a PHC string; raises `UserInvalid` unless it is one, of a cost that can be borne."""
        found = _FORM.fullmatch(text)
        if found is None or len(found[4]) % 4 == 1 or len(found[5]) % 4 == 1:
            raise UserInvalid("the password is not kept as $scrypt$ln=…,r=…,p=…$salt$digest")
        cost = Cost(*map(int, found.groups()[:3]))
        if not cost.bearable:
            raise UserInvalid(
                f"the password has a cost of ln={cost.log_n},r={cost.r},p={cost.p}:"
                f" each must be at least 1, p at most 16, and the memory {MOST_MEMORY} bytes"
            )
        return cls(cost, _bytes(found[4]), _bytes(found[5]))

    @property
    def text(self) -> str:
        """As a PHC string."""
        parameters = f"ln={self.cost.log_n},r={self.cost.r},p={self.cost.p}"
        return f"$scrypt${parameters}${_text(self.salt)}${_text(self.digest)}"

    def verifies(self, password: str) -> bool:
        """Whether `password` is the one. Takes as long as the cost says, and tells no more."""
        found = _digest(password, self.salt, self.cost, len(self.digest))
        return compare_digest(found, self.digest)


def check_password(password: str) -> str:
    """Raise `UserInvalid` if nobody can have that password."""
    if not 1 <= len(password.encode()) <= LONGEST_PASSWORD or CONTROL.search(password):
        raise UserInvalid(f"a password has 1 to {LONGEST_PASSWORD} bytes and no control characters")
    return password


def _digest(password: str, salt: bytes, cost: Cost, length: int) -> bytes:
    n, memory = 1 << cost.log_n, cost.memory + 4096
    return scrypt(
        password.encode(), salt=salt, n=n, r=cost.r, p=cost.p, maxmem=memory, dklen=length
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))
