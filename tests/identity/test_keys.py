from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from runtime.identity import SigningKey, VerifyingKey, public_of

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        "4dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""Section 7.1, TEST 1 to 3: seed, public key, message, signature."""

SECRET = bytes(range(100, 132))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_signatures_are_those_of_rfc_8032(seed: str, public: str, message: str, signature: str):
    key = SigningKey.from_seed(bytes.fromhex(seed))
    assert public_of(key.did).hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    verifying = VerifyingKey.of(key.did)
    assert verifying.verifies(bytes.fromhex(signature), bytes.fromhex(message))


@given(message=st.binary(max_size=60), place=st.integers(0, 511), other=st.binary(max_size=60))
def test_a_signature_is_for_its_message_and_its_key_only(message: bytes, place: int, other: bytes):
    key = SigningKey.demo("one")
    signature = key.sign(message)
    flipped = bytearray(signature)
    flipped[place // 8] ^= 1 << place % 8
    verifying = VerifyingKey.of(key.did)
    assert verifying.verifies(signature, message)
    assert not verifying.verifies(bytes(flipped), message)
    assert verifying.verifies(signature, other) == (other == message)
    assert not VerifyingKey.of(SigningKey.demo("two").did).verifies(signature, message)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_does_not_hold(length: int):
    assert not VerifyingKey.of(SigningKey.demo("one").did).verifies(bytes(length), b"")


def test_a_demo_key_is_a_function_of_its_name():
    assert SigningKey.demo("scout").did == SigningKey.demo("scout").did
    assert SigningKey.demo("scout").did != SigningKey.demo("Scout").did


def test_a_key_shows_its_public_part_only():
    key = SigningKey.from_seed(SECRET)
    told = f"{key!r} {key} {[key]} {{'key': {key!r}}} {key!s:>100}"
    assert key.did in told
    for form in (SECRET.hex(), repr(SECRET), str(list(SECRET)), SECRET.decode("latin-1")):
        assert form not in told
    assert not hasattr(key, "__dict__")


def test_a_key_can_be_sent_to_another_process():
    key = SigningKey.from_seed(SECRET)
    for other in (pickle.loads(pickle.dumps(key)), deepcopy(key)):
        assert other.did == key.did
        assert other.sign(b"x") == key.sign(b"x")


def test_the_public_part_is_the_same_in_pem():
    key = VerifyingKey.of(SigningKey.demo("scout").did)
    loaded = load_pem_public_key(key.pem.encode())
    assert loaded.public_bytes_raw() == public_of(key.did)  # type: ignore[union-attr]


def test_verifying_keys_are_equal_by_name():
    did = SigningKey.demo("scout").did
    assert VerifyingKey.of(did) == VerifyingKey.of(did)
    assert len({VerifyingKey.of(did), VerifyingKey.of(did)}) == 1
    assert VerifyingKey.of(did) != VerifyingKey.of(SigningKey.demo("other").did)
