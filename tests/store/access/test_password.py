from __future__ import annotations

import pytest

from runtime.errors import UserInvalid
from runtime.store.access import Cost, Verdicts, Verifier, check_password
from runtime.store.access.basic import LONGEST_HEADER, read_credentials
from tests.support.people import QUICK, SALT

SOUND = Verifier.of("secret", SALT, QUICK)


class TestVerifier:
    def test_tells_the_password_from_others(self) -> None:
        assert SOUND.verifies("secret")
        assert not any(
            SOUND.verifies(text) for text in ("", "Secret", "secret ", "secre", "secreT")
        )

    def test_reads_what_it_writes(self) -> None:
        assert Verifier.read(SOUND.text) == SOUND
        assert SOUND.text.startswith("$scrypt$ln=4,r=1,p=1$")

    def test_is_that_of_the_standard(self) -> None:
        """The third vector of RFC 7914, section 12."""
        digest = bytes.fromhex(
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        )
        verifier = Verifier(Cost(log_n=14, r=8, p=1), b"SodiumChloride", digest)
        assert verifier.verifies("pleaseletmein")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret",
            "$2b$12$abcdefghijklmnopqrstuv",
            SOUND.text[:-30],
            SOUND.text + "=",
            SOUND.text[:-2],
            SOUND.text.replace("ln=4", "ln=0"),
            SOUND.text.replace("ln=4", "ln=30"),
            SOUND.text.replace("r=1", "r=0"),
            SOUND.text.replace("p=1", "p=99"),
        ],
    )
    def test_refuses_what_it_cannot_bear(self, text: str) -> None:
        with pytest.raises(UserInvalid, match="password"):
            Verifier.read(text)

    def test_standard_cost_can_be_borne(self) -> None:
        assert Cost().bearable

    @pytest.mark.parametrize("password", ["", "x" * 1_025, "€" * 400, "a\0", "a\n"])
    def test_passwords_have_bounds(self, password: str) -> None:
        with pytest.raises(UserInvalid, match="1024 bytes"):
            check_password(password)


class TestCredentials:
    @pytest.mark.parametrize(
        ("header", "read"),
        [
            (b"Basic YWRhOnB3", ("ada", "pw")),
            (b"basic  YWRhOnB3 ", ("ada", "pw")),
            (b"BASIC YWRhOg==", ("ada", "")),
            (b"Basic w6nDoDrDpA==", ("éà", "ä")),
        ],
    )
    def test_are_read(self, header: bytes, read: object) -> None:
        assert read_credentials(header) == read

    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"Basic",
            b"Basic ",
            b"Basic YWRh",
            b"Basic OnB3",
            b"Basic YWRhOnB3!",
            b"Basic YWRhOnB",
            b"Basic /zo6",
            b"Basic YWRhOnB3AA==",
            b"Bearer YWRhOnB3",
            b"YWRhOnB3",
            b"Basic " + b"YWRhOnB3" * (LONGEST_HEADER // 8),
        ],
    )
    def test_are_none(self, header: bytes) -> None:
        assert read_credentials(header) is None


class TestVerdicts:
    def test_are_kept_for_a_while(self) -> None:
        verdicts = Verdicts(seconds=10)
        verdicts.remember(b"k", SOUND, 0.0, right=True)
        assert verdicts.recall(b"k", SOUND, 9.0) is True
        assert verdicts.recall(b"k", SOUND, 10.0) is None
        assert verdicts.recall(b"other", SOUND, 1.0) is None

    def test_are_void_for_another_password(self) -> None:
        verdicts = Verdicts()
        verdicts.remember(b"k", SOUND, 0.0, right=True)
        assert verdicts.recall(b"k", Verifier.of("new", SALT, QUICK), 1.0) is None

    def test_a_later_one_replaces_an_earlier_one(self) -> None:
        verdicts = Verdicts()
        verdicts.remember(b"k", SOUND, 0.0, right=False)
        verdicts.remember(b"k", SOUND, 1.0, right=True)
        assert verdicts.recall(b"k", SOUND, 2.0) is True
        verdicts.remember(b"k", SOUND, 3.0, right=False)
        assert verdicts.recall(b"k", SOUND, 4.0) is False

    def test_wrong_ones_do_not_crowd_out_right_ones(self) -> None:
        verdicts = Verdicts(most=3)
        verdicts.remember(b"right", SOUND, 0.0, right=True)
        for number in range(10):
            verdicts.remember(b"%d" % number, SOUND, 0.0, right=False)
        assert verdicts.recall(b"right", SOUND, 1.0) is True
        kept = [verdicts.recall(b"%d" % number, SOUND, 1.0) for number in range(10)]
        assert kept == [None] * 7 + [False] * 3
