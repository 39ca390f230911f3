from __future__ import annotations

import os
from pathlib import Path
from stat import S_IMODE

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from runtime.errors import (
    KeyExists,
    KeyInvalid,
    KeyMissing,
    PassphraseMissing,
    PassphraseWrong,
)
from runtime.identity import Keyring, SigningKey, read_passphrase

PASSPHRASE = b"correct horse"


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "deep" / "keys")


def put(ring: Keyring, name: str, pem: bytes) -> None:
    ring.directory.mkdir(parents=True, exist_ok=True)
    (ring.directory / f"{name}.pem").write_bytes(pem)


def test_a_key_can_be_opened_again(ring: Keyring):
    made = ring.create("scout", PASSPHRASE)
    loaded = Keyring(ring.directory).load("scout", PASSPHRASE)
    assert loaded.did == made.did
    assert loaded.sign(b"x") == made.sign(b"x")


def test_two_keys_differ(ring: Keyring):
    assert ring.create("one", PASSPHRASE).did != ring.create("two", PASSPHRASE).did
    assert ring.names() == ["one", "two"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_a_key(ring: Keyring, mask: int):
    before = os.umask(mask)
    try:
        ring.create("scout", PASSPHRASE)
    finally:
        os.umask(before)
    assert S_IMODE((ring.directory / "scout.pem").stat().st_mode) == 0o600
    assert S_IMODE(ring.directory.stat().st_mode) == 0o700


def test_a_key_is_stored_encrypted(ring: Keyring):
    key = ring.create("scout", PASSPHRASE)
    pem = (ring.directory / "scout.pem").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    raw = key.private.private_bytes_raw()
    for path in ring.directory.iterdir():
        assert raw not in path.read_bytes()
        assert raw.hex().encode() not in path.read_bytes()


def test_the_public_part_needs_no_passphrase(ring: Keyring):
    assert ring.create("scout", PASSPHRASE).did == ring.public("scout").did


@pytest.mark.parametrize("wrong", [b"correct horse ", b"Correct horse", b"x", b""])
def test_a_wrong_passphrase_opens_nothing(ring: Keyring, wrong: bytes):
    ring.create("scout", PASSPHRASE)
    with pytest.raises(PassphraseWrong, match="scout"):
        ring.load("scout", wrong)


@pytest.mark.parametrize("impossible", [b"", b"x" * 1024])
def test_a_passphrase_that_no_key_can_have_is_refused(ring: Keyring, impossible: bytes):
    with pytest.raises(KeyInvalid, match="1 to 1023 bytes"):
        ring.create("scout", impossible)
    assert ring.names() == []


def test_the_longest_passphrase_opens_its_key(ring: Keyring):
    made = ring.create("scout", b"x" * 1023)
    assert ring.load("scout", b"x" * 1023).did == made.did


def test_a_key_is_never_replaced(ring: Keyring):
    made = ring.create("scout", PASSPHRASE)
    with pytest.raises(KeyExists, match="scout"):
        ring.create("scout", b"other")
    assert ring.load("scout", PASSPHRASE).did == made.did
    assert ring.public("scout").did == made.did


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "ä", "a" * 65, "a\n", "-a"])
def test_a_name_that_is_none_is_refused(ring: Keyring, name: str):
    with pytest.raises(KeyInvalid, match="cannot name a key"):
        ring.create(name, PASSPHRASE)
    assert not ring.directory.exists()


@pytest.mark.parametrize("name", ["a", "yield-scout", "v1.2_x", "A" * 64])
def test_a_name_like_those_of_agents_is_taken(ring: Keyring, name: str):
    ring.create(name, PASSPHRASE)
    assert ring.names() == [name]


def test_a_missing_key_says_how_to_make_it(ring: Keyring):
    for look_up in (lambda: ring.load("scout", PASSPHRASE), lambda: ring.public("scout")):
        with pytest.raises(KeyMissing, match="`lucent keys create scout --keys "):
            look_up()
    assert ring.names() == []


def test_a_key_that_is_not_encrypted_is_refused(ring: Keyring):
    private = SigningKey.demo("x").private
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    put(ring, "scout", pem)
    with pytest.raises(KeyInvalid, match="not encrypted"):
        ring.load("scout", PASSPHRASE)


def test_a_key_of_another_kind_is_refused(ring: Keyring):
    for other in (generate_private_key(SECP256R1()), X25519PrivateKey.generate()):
        encryption = BestAvailableEncryption(PASSPHRASE)
        put(ring, "scout", other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        with pytest.raises(KeyInvalid, match="not an Ed25519 key"):
            ring.load("scout", PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100, b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_refused(ring: Keyring, content: bytes):
    put(ring, "scout", content)
    (ring.directory / "scout.pub").write_bytes(content)
    with pytest.raises(KeyInvalid, match=r"scout\.pem"):
        ring.load("scout", PASSPHRASE)
    with pytest.raises(KeyInvalid):
        ring.public("scout")


def test_a_damaged_key_opens_nothing(ring: Keyring):
    ring.create("scout", PASSPHRASE)
    path = ring.directory / "scout.pem"
    pem = path.read_bytes()
    for place in range(0, len(pem.rstrip()), 7):
        path.write_bytes(pem[:place] + bytes([pem[place] ^ 1]) + pem[place + 1 :])
        with pytest.raises((KeyInvalid, PassphraseWrong)):
            ring.load("scout", PASSPHRASE)


@pytest.mark.parametrize("content", ["", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0"])
def test_a_public_part_that_is_none_is_named_and_not_shown(ring: Keyring, content: str):
    ring.create("scout", PASSPHRASE)
    (ring.directory / "scout.pub").write_text(content)
    with pytest.raises(KeyInvalid, match=r"scout\.pub does not hold the did:key") as refused:
        ring.load("scout", PASSPHRASE)
    assert "c2VjcmV0" not in str(refused.value)


def test_a_public_part_that_cannot_be_read_is_named(ring: Keyring):
    ring.create("scout", PASSPHRASE)
    (ring.directory / "scout.pub").unlink()
    (ring.directory / "scout.pub").mkdir()
    with pytest.raises(KeyInvalid, match=r"cannot read .*scout\.pub: Is a directory"):
        ring.load("scout", PASSPHRASE)


def test_a_key_that_is_not_the_one_of_its_public_part_is_refused(ring: Keyring):
    ring.create("scout", PASSPHRASE)
    ring.create("other", PASSPHRASE)
    (ring.directory / "other.pem").replace(ring.directory / "scout.pem")
    with pytest.raises(KeyInvalid, match=r"scout\.pub names another key"):
        ring.load("scout", PASSPHRASE)


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path, ring: Keyring):
    put(ring, "other", b"")
    (ring.directory / "scout.pem").mkdir()
    with pytest.raises(KeyInvalid, match=r"scout\.pem: Is a directory"):
        ring.load("scout", PASSPHRASE)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(KeyInvalid, match="is a file, not a directory"):
        Keyring(file).create("scout", PASSPHRASE)
    with pytest.raises(KeyInvalid, match="Not a directory"):
        Keyring(file / "keys").create("scout", PASSPHRASE)


def test_a_passphrase_comes_from_a_file_or_from_the_environment(tmp_path: Path):
    file = tmp_path / "passphrase"
    for content in (b"from a file", b"from a file\n", b"from a file\r\nnot this\n"):
        file.write_bytes(content)
        assert read_passphrase(file, {"LUCENT_PASSPHRASE": "not this"}) == b"from a file"
    assert read_passphrase(None, {"LUCENT_PASSPHRASE": "blåbär"}) == "blåbär".encode()


def test_a_passphrase_that_is_missing_is_asked_for(tmp_path: Path):
    for environment in ({}, {"LUCENT_PASSPHRASE": ""}):
        with pytest.raises(PassphraseMissing, match="LUCENT_PASSPHRASE"):
            read_passphrase(None, environment)
    file = tmp_path / "passphrase"
    with pytest.raises(PassphraseMissing, match="No such file"):
        read_passphrase(file)
    file.write_bytes(b"\nsecond line\n")
    with pytest.raises(PassphraseMissing):
        read_passphrase(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PassphraseMissing, match="UTF-8"):
        read_passphrase(file)
