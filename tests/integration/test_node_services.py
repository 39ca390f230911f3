"""Persistent subscriptions and projections by KurrentDB's clients for Node."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Ask, Told


class TestPersistentSubscriptions:
    @pytest.fixture(scope="class")
    @staticmethod
    def told(ask: Ask) -> Told:
        return ask("persistent.mjs")

    def test_are_managed(self, told: Told) -> None:
        assert told["create"] is None
        assert told["create again"]["error"] == "persistent-subscription-exists"
        assert told["all groups"] == ["$all all", "s-1 group", "s-2 other"]
        assert told["of stream"] == ["s-1 group"]
        assert told["of all"] == ["$all all"]
        assert told["settings"] == {"startFrom": "start", "maxRetryCount": 2}
        assert told["update"] is None
        assert told["updated"] == 3
        assert told["delete"] is None
        missing = "persistent-subscription-does-not-exist"
        assert told["delete again"]["error"] == missing
        assert told["info of none"]["error"] == missing
        assert told["no such group"] == missing

    def test_deliver_retry_park_and_replay(self, told: Told) -> None:
        assert told["delivered"] == sorted([*range(20), 5])
        assert told["in flight"]
        assert told["connections"] == 1
        assert told["replayed"] == 3
        assert told["error"] is None

    def test_to_the_log_with_a_filter(self, told: Told) -> None:
        assert told["rare"] == [1, 2]
        assert told["dropped"] == "persistent-subscription-dropped"


class TestProjections:
    @pytest.fixture(scope="class")
    @staticmethod
    def told(ask: Ask) -> Told:
        return ask("projections.mjs")

    def test_have_a_state_that_follows_the_log(self, told: Told) -> None:
        assert told["create"] is None
        assert (told["first"], told["second"]) == (True, True)
        assert told["result"] == {"total": 5}
        assert told["status"] == "Running"
        assert told["listed"]

    def test_are_managed(self, told: Told) -> None:
        assert told["create again"]["error"]
        for act in ("disable", "update", "reset", "enable", "delete"):
            assert told[act] is None, act
        assert told["disabled"]
        assert told["third"]
        assert told["none"]["error"]
        assert told["gone"]
