from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Lucent, told


@pytest.fixture
def keyed(small: Path) -> Path:
    """A small config whose keys are in `keys`."""
    small.write_text(small.read_text().replace("demo = true", 'directory = "keys"'))
    return small


def test_a_run_with_keys_of_ones_own_is_verified_against_them(
    lucent: Lucent, keyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "set LUCENT_PASSPHRASE" in told(lucent("keys", "create", "--for", keyed.name))
    (keyed.parent / "pass").write_text("open sesame\n")
    made = lucent("keys", "create", "--for", keyed.name, "--passphrase-file", "pass")
    assert made.code == 0
    assert [line.split()[0] for line in made.out.splitlines()] == ["yield-scout", "supervisor"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keyed.parent.glob("keys/*.pem"))
    again = lucent("keys", "create", "--for", keyed.name, "--passphrase-file", "pass")
    assert "holds all keys" in again.out
    assert "LUCENT_PASSPHRASE" in told(lucent("run", keyed.name))
    monkeypatch.setenv("LUCENT_PASSPHRASE", "wrong")
    assert "does not open key 'yield-scout'" in told(lucent("run", keyed.name))
    assert not (keyed.parent / "small.db").exists()
    monkeypatch.setenv("LUCENT_PASSPHRASE", "open sesame")
    ran = lucent("run", keyed.name)
    assert ran.code == 0
    assert "demo keys" not in ran.out
    exported = lucent("keys", "export").out
    (keyed.parent / "trust.json").write_text(exported)
    sound = lucent("verify", "small.db", "--trust", "trust.json")
    assert sound.code == 0
    assert "Keys were taken from the log" not in sound.out


def test_a_log_of_another_author_is_not_trusted(
    lucent: Lucent, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCENT_PASSPHRASE", "x")
    lucent("keys", "create", "yield-scout", "supervisor")
    (small.parent / "trust.json").write_text(lucent("keys", "export").out)
    lucent("run", small.name)
    forged = lucent("verify", "small.db", "--trust", "trust.json")
    assert forged.code == 1
    assert "trusted is did:key:" in forged.out


def test_keys_are_shown_and_exported(lucent: Lucent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCENT_PASSPHRASE", "x")
    lucent("keys", "create", "one", "two")
    known = json.loads(lucent("keys", "export").out)
    assert sorted(known) == ["one", "two"]
    shown = lucent("keys", "show").out
    assert all(did in shown for did in known.values())
    assert lucent("keys", "export", "one", "--pem").out.startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create"], ["name the keys", "--for"]),
        (["create", "a/b"], ["'a/b' cannot name a key"]),
        (["create", "there"], ["'there' exists in keys"]),
        (["create", "new", "--passphrase-file", "nope"], ["cannot read nope"]),
        (["create", "--for", "nope.toml"], ["cannot read config nope.toml"]),
        (["show", "nope"], ["no key named 'nope'", "lucent keys create nope"]),
        (["show", "--keys", "empty"], ["no keys in empty", "lucent keys create"]),
        (["show", "broken"], ["broken.pub does not hold the did:key"]),
        (["export", "--pem"], ["--pem needs the name of a key"]),
    ],
)
def test_mistakes_with_keys(
    lucent: Lucent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.setenv("LUCENT_PASSPHRASE", "x")
    assert lucent("keys", "create", "there", "broken").code == 0
    (tmp_path / "keys" / "broken.pub").write_text("garbage")
    line = told(lucent("keys", *arguments))
    assert all(word in line for word in words), line
