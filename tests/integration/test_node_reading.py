"""Reads and subscriptions by KurrentDB's clients for Node."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.integration.conftest import Ask, Told


class TestRead:
    @pytest.fixture(scope="class")
    @staticmethod
    def told(ask: Ask) -> Told:
        return ask("reading.mjs")

    def test_a_stream_either_way(self, told: Told) -> None:
        assert told["forwards"] == list(range(600))
        assert told["backwards"] == list(range(599, -1, -1))
        assert told["from 595"] == [595, 596, 597, 598, 599]
        assert told["back from 2"] == [2, 1, 0]
        assert (told["two"], told["last two"]) == ([0, 1], [599, 598])
        assert told["past the end"] == []
        assert told["none"] == {"error": "stream-not-found", "streamName": "none-1"}
        assert told["after a break"] == [0]

    def test_the_log_either_way(self, told: Told) -> None:
        log = told["log"]
        assert len(log) == 603
        assert all(one < next_ for one, next_ in pairwise(log))
        assert told["log backwards"] == log[::-1]
        assert told["log from 8th"] == log[7:9]
        assert told["log back from 8th"] == [log[6], log[5]]
        assert told["last of the log"] == log[-1:]

    def test_the_log_filtered(self, told: Told) -> None:
        if told["filtered"] is None:
            pytest.skip("this package cannot ask for it")
        assert told["filtered"] == [["s-2 Other"], ["s-1 Seen"]]

    def test_links(self, told: Told) -> None:
        links = [["l-1", number] for number in range(3)]
        own = [["l-1", 3], None]
        assert told["links"] == [
            [["s-2", 1], links[0]],
            [None, links[1]],
            [None, links[2]],
            own,
        ]
        assert told["links of the log"] == told["links"][::-1]
        assert told["unresolved"] == [[link, None] for link in links] + [own]

    def test_events_that_fill_many_pages(self, told: Told) -> None:
        assert told["large"] == 30


class TestSubscription:
    @pytest.fixture(scope="class")
    @staticmethod
    def told(ask: Ask) -> Told:
        return ask("subscriptions.mjs")

    def test_to_a_stream_catches_up_and_goes_on(self, told: Told) -> None:
        assert told["caught up"] == [[300], [2], [0], [0]]
        assert told["whole"] == list(range(302))
        assert told["behind"] == [298, 299, 300, 301]
        assert told["fresh"] == [300, 301]
        assert told["early"] == [0]
        assert told["errors"] == [None] * 3

    def test_to_a_stream_ends_with_its_tombstone(self, told: Told) -> None:
        assert told["tombstoned"] == "stream-deleted"

    def test_to_the_log(self, told: Told) -> None:
        assert told["log grows"]
        assert told["log live"] == [["s-2", number] for number in range(5)]
        assert told["resumed"] == [3, 4]
        assert told["from the end"] == ["s-3"]

    def test_outlives_a_client_that_often_asks_for_a_sign_of_life(self, told: Told) -> None:
        assert told["idle"] == {"events": 1, "error": None}

    def test_filters(self, told: Told) -> None:
        assert told["type regex"] == ["b-1 Two"]
        assert told["type prefixes"] == ["s-2 Other", "b-1 Two"]
        assert told["stream regex"] == ["a-1 One", "b-1 Two"]
        assert told["stream prefixes"] == ["b-1 Two"]
        kinds = {each.split()[1] for each in told["no system events"]}
        assert kinds == {"Seen", "Other", "One", "Two"}

    def test_checkpoints_of_a_filter(self, told: Told) -> None:
        places = told["checkpoints"]
        assert len(places) >= 25
        assert all(0 < next_ - one <= 20 for one, next_ in pairwise(places))
