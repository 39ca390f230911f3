"""The file of users: what it may hold, and what happens to it when it is changed."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.errors import UserExists, UserInvalid, UsersUnusable, UserUnknown
from runtime.store.access import Directory, User, Users
from runtime.store.access.users import read_users, write_users
from tests.support.people import directory_of, person

TEXT = person("ada").verifier.text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


class TestUsers:
    def test_are_read_as_they_are_written(self) -> None:
        at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        ada = person("ada", "desk", "$ops", disabled=True)
        whole = [User("ada", ada.verifier, "Ada L.", ada.groups, True, at), person("bob")]
        assert list(read_users(write_users(whole))) == whole

    @pytest.mark.parametrize("login", ["", "a:b", "a b", "$ada", "a\nb", "a\0", "x" * 129])
    def test_cannot_have_any_login(self, login: str) -> None:
        with pytest.raises(UserInvalid, match="cannot be a login"):
            person(login)

    @pytest.mark.parametrize("group", ["", "a\nb", "x" * 129])
    def test_cannot_be_in_any_group(self, group: str) -> None:
        with pytest.raises(UserInvalid, match="group"):
            person("ada", "desk", group)
        with pytest.raises(UserInvalid, match="64 groups"):
            person("ada", *map(str, range(65)))

    def test_have_logins_of_their_own(self) -> None:
        users = Users().added(person("ada"))
        with pytest.raises(UserExists, match="'ada' exists"):
            users.added(person("ada"))
        with pytest.raises(UserUnknown, match="no user 'bob'"):
            users.removed("bob")
        with pytest.raises(UserUnknown, match="no user 'bob'"):
            users.changed(person("bob"))
        assert [*users.removed("ada")] == []
        assert [one.login for one in users] == ["ada"]


class TestFile:
    def test_holds_what_was_changed_and_is_for_its_owner_only(self, file: Path) -> None:
        directory = directory_of(file, person("bob"), person("ada", "desk"))
        assert [one.login for one in Directory.open(file).users] == ["ada", "bob"]
        assert [one.login for one in directory.users] == ["ada", "bob"]
        assert file.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in file.parent.iterdir()] == ["users.json"]

    def test_keeps_its_mode_and_is_reached_through_a_link(self, file: Path) -> None:
        directory_of(file, person("ada"))
        file.chmod(0o640)
        link = file.with_name("link.json")
        link.symlink_to(file)
        Directory.open(link).change(lambda users: users.removed("ada"))
        assert link.is_symlink()
        assert file.stat().st_mode & 0o777 == 0o640
        assert [*Directory.open(file).users] == []

    def test_stays_as_it_was_when_a_change_is_refused(self, file: Path) -> None:
        directory = directory_of(file, person("ada"))
        before = file.read_bytes()
        with pytest.raises(UserExists):
            directory.change(lambda users: users.added(person("ada")))
        assert file.read_bytes() == before

    def test_loses_no_change_of_another_process(self, file: Path) -> None:
        one, other = directory_of(file, person("ada")), Directory.open(file)
        names = [f"u{number}" for number in range(10)]

        def add(directory: Directory, logins: list[str]) -> None:
            for login in logins:
                directory.change(lambda users, login=login: users.added(person(login)))

        threads = [
            threading.Thread(target=add, args=(one, names[::2])),
            threading.Thread(target=add, args=(other, names[1::2])),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [each.login for each in Directory.open(file).users] == ["ada", *names]

    def test_is_written_over_a_draft_that_was_left(self, file: Path) -> None:
        file.with_name(".users.json.draft").write_text("half of it")
        directory_of(file, person("ada"))
        assert [one.login for one in Directory.open(file).users] == ["ada"]

    def test_is_read_again_on_demand(self, file: Path) -> None:
        directory = directory_of(file, person("ada"))
        Directory.open(file).change(lambda users: users.removed("ada"))
        assert directory.users.find("ada") is not None
        directory.reload()
        assert directory.users.find("ada") is None
        file.write_text("{")
        with pytest.raises(UsersUnusable, match="malformed"):
            directory.reload()
        assert [*directory.users] == []

    @pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
    def test_open_to_others_is_refused(self, file: Path, mode: int) -> None:
        directory_of(file, person("ada"))
        file.chmod(mode)
        with pytest.raises(UsersUnusable, match=f"mode {mode:04o}.*chmod 600 .*users.json"):
            Directory.open(file)

    def test_missing_is_refused(self, file: Path) -> None:
        with pytest.raises(UsersUnusable, match=r"no file of users at .*lucent store users add"):
            Directory.open(file)
        with pytest.raises(UsersUnusable, match="no folder"):
            Directory.open(file / "deeper" / "users.json")
        file.mkdir()
        with pytest.raises(UsersUnusable, match="cannot be read"):
            Directory.open(file)

    @pytest.mark.parametrize(
        ("held", "told"),
        [
            (b"", "malformed"),
            (b"\xff", "malformed"),
            (b"[]", "Expected `object`"),
            ({"version": 2, "users": {}}, "version"),
            ({"version": 1}, "users"),
            ({"version": 1, "users": {"ada": {}}}, "password"),
            ({"version": 1, "users": {"ada": {"password": "secret"}}}, "user 'ada'.*scrypt"),
            ({"version": 1, "users": {"a:a": {"password": TEXT}}}, "'a:a' cannot be a login"),
            ({"version": 1, "users": {"ada": {"password": TEXT, "admin": 1}}}, "admin"),
            ({"version": 1, "users": {"ada": {"password": TEXT, "groups": "x"}}}, "groups"),
            (
                {"version": 1, "users": {"ada": {"password": TEXT, "updated": "2026-01-02T03:04"}}},
                "updated",
            ),
        ],
    )
    def test_malformed_is_refused(self, file: Path, held: object, told: str) -> None:
        file.touch(0o600)
        file.write_bytes(held if isinstance(held, bytes) else json.dumps(held).encode())
        with pytest.raises(UsersUnusable, match=told) as refused:
            Directory.open(file)
        assert str(file) in str(refused.value)
        assert TEXT not in str(refused.value)
