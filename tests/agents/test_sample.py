from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.allocator import STABLECOINS
from agents.samples import sample_path
from runtime.deciding import StateCodec, Window
from strategies.forecast import RateForecast
from strategies.zscore import EwmaZScore
from tests.agents.conftest import Made
from tests.strategies.tape import in_events, in_windows


def test_the_sample_is_complete_and_streams(sample: pa.Table):
    file = pq.ParquetFile(sample_path("aave-v3-daily/aave_v3_daily.parquet"))
    assert sample.num_rows == 41_256
    assert file.metadata.num_row_groups > 4
    assert not any(column.null_count for column in sample.columns)
    stamps = sample["generated_at"].to_pylist()
    assert stamps == sorted(stamps)


def test_the_sample_comes_with_source_and_licence():
    folder = sample_path("aave-v3-daily")
    licence = (folder / "LICENSE").read_text("utf-8")
    assert licence.startswith("MIT License\n\nCopyright (c) 2025 th3nolo\n")
    assert "71685a9b672d384d1ca33e9943ea6102bd6f09d6" in (folder / "SOURCE.md").read_text("utf-8")


def test_a_sample_that_is_not_bundled_is_named_with_those_that_are():
    with pytest.raises(FileNotFoundError, match=r"no sample 'aave'.*there are: aave-v3-daily"):
        sample_path("aave")


def test_every_stablecoin_is_in_the_sample(sample: pa.Table):
    assert set(STABLECOINS) <= set(sample["symbol"].to_pylist())


def test_the_scout_decides_now_and_then(scouted: list[Made]):
    actions = Counter(made.decision.action for made in scouted)
    assert 150 < actions["enter_position"] < 500
    assert 50 < actions["reject_faded"] < actions["enter_position"]
    assert actions["reject_frozen"] > 30
    assert actions["reject_low"] > 10


def test_the_forecaster_decides_on_pools_that_pay(forecast: list[Made]):
    assert 1_500 < len(forecast) < 6_000
    assert 50 < len({made.aggregate for made in forecast}) < 150


def test_the_allocator_moves_seldom(allocated: list[Made]):
    actions = Counter(made.decision.action for made in allocated)
    assert 20 < actions["enter_position"] < 60
    assert 10 < actions["rotate"] < 150
    assert actions["exit_position"] < actions["enter_position"]


def test_an_allocation_is_followed_by_what_can_follow(allocated: list[Made]):
    for _, moves in groupby(sorted(allocated, key=_place), key=lambda made: made.aggregate):
        held = ""
        for decision in (made.decision for made in moves):
            pool = str(decision.features["pool"])
            assert (decision.action == "enter_position") == (held == "")
            held = "" if decision.action == "exit_position" else pool


def _place(made: Made) -> tuple[str, int]:
    return made.aggregate, made.time


def test_event_form_and_window_form_agree_on_the_sample(pools: list[Window]):
    strategy = EwmaZScore.configure({})
    for window in pools:
        assert in_windows(strategy, window, (30, 31, 90)) == in_events(strategy, window)


def test_no_state_outgrows_its_memory(pools: list[Window]):
    strategy = RateForecast.configure({})
    codec = StateCodec(strategy.State)
    sizes = []
    for window in pools[::40]:
        state = strategy.start(window.aggregate)
        list(strategy.on_window(state, window))
        sizes.append(len(codec.encode(state)))
    assert np.max(sizes) < 2_000
