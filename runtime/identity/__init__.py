"""Identity: keys, signatures, chains, trust, verification."""

from runtime.identity.batch import LARGEST_BATCH, Claim, batch_message, claim, seal_batch
from runtime.identity.chain import Draft, draft, recorded_digest, recorded_message, seal
from runtime.identity.did import did_of, public_of
from runtime.identity.keyring import PASSPHRASE_VARIABLE, Keyring, read_passphrase
from runtime.identity.keys import SigningKey, VerifyingKey
from runtime.identity.merkle import EMPTY, merkle_root, merkle_tree, root_from_path, run_root
from runtime.identity.verification import Damage, StreamCheck, Trust, check_stream

__all__ = [
    "EMPTY",
    "LARGEST_BATCH",
    "PASSPHRASE_VARIABLE",
    "Claim",
    "Damage",
    "Draft",
    "Keyring",
    "SigningKey",
    "StreamCheck",
    "Trust",
    "VerifyingKey",
    "batch_message",
    "check_stream",
    "claim",
    "did_of",
    "draft",
    "merkle_root",
    "merkle_tree",
    "public_of",
    "read_passphrase",
    "recorded_digest",
    "recorded_message",
    "root_from_path",
    "run_root",
    "seal",
    "seal_batch",
]
