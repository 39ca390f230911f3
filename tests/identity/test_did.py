from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.errors import KeyInvalid
from runtime.identity import SigningKey, VerifyingKey, did_of, public_of

KNOWN = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
"""The Ed25519 example of the did:key specification (W3C CCG)."""

PUBLIC = "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6"


def test_the_example_of_the_specification_names_its_key():
    assert public_of(KNOWN).hex() == PUBLIC
    assert did_of(bytes.fromhex(PUBLIC)) == KNOWN


@given(st.binary(min_size=32, max_size=32))
def test_a_name_and_its_key_are_two_forms_of_one_thing(public: bytes):
    did = did_of(public)
    assert did.startswith("did:key:z6Mk")
    assert public_of(did) == public


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:z",
        "did:key:",
        KNOWN.removeprefix("did:key:"),
        KNOWN.upper(),
        KNOWN + " ",
        " " + KNOWN,
        KNOWN + "1",
        KNOWN[:-1],
        KNOWN.replace("z6", "z16"),
        KNOWN.replace("X", "0"),
        KNOWN.replace("X", "é"),
        KNOWN.replace("did:key:z", "did:key:m"),
        "did:web:example.org",
        "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
        "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        did_of(bytes(31)),
        did_of(bytes(33)),
    ],
)
def test_what_names_no_ed25519_key_is_refused(did: str):
    with pytest.raises(KeyInvalid, match="not the did:key of an Ed25519"):
        public_of(did)
    with pytest.raises(KeyInvalid):
        VerifyingKey.of(did)


@given(place=st.integers(0, 47), digit=st.characters(codec="ascii"))
def test_no_two_names_stand_for_one_key(place: int, digit: str):
    did = SigningKey.demo("scout").did
    at = len(did) - 1 - place % 48
    other = did[:at] + digit + did[at + 1 :]
    assume(other != did)
    try:
        assert public_of(other) != public_of(did)
    except KeyInvalid:
        return
