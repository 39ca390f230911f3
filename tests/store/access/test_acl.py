"""Whom access lists let in: the tables of KurrentDB's documentation, row by row."""

from __future__ import annotations

import json

import pytest

from runtime.store.access import (
    ADMINS,
    ANONYMOUS,
    EVERYBODY,
    OPERATORS,
    Acl,
    Act,
    Caller,
    Defaults,
    governed,
    read_acl,
    read_defaults,
)

ADA = Caller.of("ada", ["desk"])
ADMIN = Caller.of("root", [ADMINS])
OPERATOR = Caller.of("ops", [OPERATORS])


def acl(**rights: object) -> Acl:
    """The list of a stream whose metadata give rights by `r`, `w`, `d`, `mr`, `mw`."""
    said = {f"${key}": names for key, names in rights.items()}
    return read_acl(json.dumps({"$maxCount": 5, "$acl": said}).encode())


class TestDefaults:
    @pytest.mark.parametrize("act", Act)
    @pytest.mark.parametrize(
        ("stream", "let_in"),
        [
            ("agent-7", [ADA, ADMIN, OPERATOR, ANONYMOUS]),
            ("$ce-agent", [ADMIN]),
            ("$all", [ADMIN]),
            ("$settings", [ADMIN]),
        ],
    )
    def test_user_streams_are_open_and_system_streams_are_not(
        self, act: Act, stream: str, let_in: list[Caller]
    ) -> None:
        rights = Defaults().of(stream)
        everybody = [ADA, ADMIN, OPERATOR, ANONYMOUS]
        assert [one for one in everybody if rights.allows(one, act)] == let_in

    def test_settings_override_them_act_by_act(self) -> None:
        settings = {
            "$userStreamAcl": {"$r": "desk", "$d": []},
            "$systemStreamAcl": {"$r": [OPERATORS, "ada"]},
        }
        defaults = read_defaults(json.dumps(settings).encode())
        user, system = defaults.of("agent-7"), defaults.of("$all")
        assert [user.allows(one, Act.READ) for one in (ADA, OPERATOR)] == [True, False]
        assert user.allows(OPERATOR, Act.WRITE)
        assert not user.allows(ADA, Act.DELETE)
        assert [system.allows(one, Act.READ) for one in (ADA, OPERATOR)] == [True, True]
        assert not system.allows(ADA, Act.WRITE)

    @pytest.mark.parametrize(
        "data", [b"", b"[", b"7", b"\xff", b'{"$userStreamAcl": 5}', b'{"a": 1}', b"[" * 5000]
    )
    def test_settings_that_say_nothing(self, data: bytes) -> None:
        assert read_defaults(data) == Defaults()


class TestAcl:
    @pytest.mark.parametrize(
        "names", ["ada", "desk", ["desk"], ["x", "ada"], EVERYBODY, [EVERYBODY]]
    )
    def test_names_users_and_groups_as_text_or_list(self, names: object) -> None:
        assert acl(r=names).allows(ADA, Act.READ)

    @pytest.mark.parametrize("names", ["adam", "Desk", [], [""], ADMINS, [OPERATORS]])
    def test_lets_nobody_else_in(self, names: object) -> None:
        assert not acl(r=names).allows(ADA, Act.READ)

    def test_administrators_need_no_list(self) -> None:
        closed = acl(r=[], w=[], d=[], mr=[], mw=[])
        assert all(closed.allows(ADMIN, act) for act in Act)
        assert not any(closed.allows(ADA, act) for act in Act)

    @pytest.mark.parametrize("act", Act)
    def test_an_act_that_is_not_spoken_of_falls_to_the_default(self, act: Act) -> None:
        rights = acl(**{act.value[1:]: "ada"}).over(Defaults().of("agent-7"))
        assert [rights.allows(OPERATOR, each) for each in Act] == [each != act for each in Act]
        assert all(rights.allows(ADA, each) for each in Act)

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"[]", b'{"$acl": {"$r": 5}}', b'{"$acl": null}', b'{"$acl": {}}']
    )
    def test_metadata_that_say_nothing(self, data: bytes) -> None:
        assert not read_acl(data).open_to


@pytest.mark.parametrize(
    ("act", "stream", "decided"),
    [
        (Act.READ, "a", (Act.READ, "a")),
        (Act.READ, "$$a", (Act.READ_METADATA, "a")),
        (Act.WRITE, "$$a", (Act.WRITE_METADATA, "a")),
        (Act.WRITE, "$$$all", (Act.WRITE_METADATA, "$all")),
        (Act.READ, "$$$$a", (Act.READ_METADATA, "$$a")),
        (Act.READ_METADATA, "a", (Act.READ_METADATA, "a")),
        (Act.READ, "$all", (Act.READ, "$all")),
        (Act.DELETE, "$$a", None),
        (Act.WRITE, "$all", None),
        (Act.DELETE, "$all", None),
    ],
)
def test_what_is_decided_about(act: Act, stream: str, decided: object) -> None:
    assert governed(act, stream) == decided
