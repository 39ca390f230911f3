"""Identity: keys, signatures, chains, trust, verification."""

from runtime.identity.chain import Draft, draft, recorded_digest, recorded_message, seal
from runtime.identity.did import did_of, public_of
from runtime.identity.keyring import PASSPHRASE_VARIABLE, Keyring, read_passphrase
from runtime.identity.keys import SigningKey, VerifyingKey
from runtime.identity.merkle import EMPTY, merkle_root, run_root
from runtime.identity.verification import Damage, StreamCheck, Trust, check_stream

__all__ = [
    "EMPTY",
    "PASSPHRASE_VARIABLE",
    "Damage",
    "Draft",
    "Keyring",
    "SigningKey",
    "StreamCheck",
    "Trust",
    "VerifyingKey",
    "check_stream",
    "did_of",
    "draft",
    "merkle_root",
    "public_of",
    "read_passphrase",
    "recorded_digest",
    "recorded_message",
    "run_root",
    "seal",
]
