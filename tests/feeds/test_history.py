"""Real recorded data, where it is present beside the checkout."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from runtime.errors import RowRejected
from runtime.feeds import Merge, Tape, TapeSpec
from tests.feeds.samples import drain

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
HOUR = 3_600 * 10**9

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not present")


def rate_spec(name: str, path: str, **changes) -> TapeSpec:
    declared = {"name": name, "path": path, "event_type": "PoolRateObserved"}
    return TapeSpec(**(declared | changes))


def candle_spec(name: str, path: str, **changes) -> TapeSpec:
    declared = {
        "name": name,
        "path": path,
        "event_type": "PriceObserved",
        "aggregate_name": name,
        "event_time": "timestamp",
        "known_after": "1h",
        "columns": {"price": "close", "size": "volume"},
    }
    return TapeSpec(**(declared | changes))


def test_all_daily_snapshots_of_thirteen_networks():
    spec = rate_spec(
        "aave-daily",
        "aave_daily_multichain/aave_v3_daily.parquet",
        aggregate=["network", "asset_address"],
        event_time="generated_at",
        columns={
            "rate": "current_liquidity_rate",
            "borrow_rate": "current_variable_borrow_rate",
            "frozen": "frozen",
            "symbol": "symbol",
        },
    )
    feed = Merge([Tape(spec, DATA)])
    rows = drain(feed, 4_096)
    assert len(rows) == 41_256
    assert not feed.rejected().counts
    assert rows[0]["aggregate"] == "arbitrum:0xba5ddd1f9d7f570dc94a51479a000e3bce967196"
    known = [row["known_at"] for row in rows]
    assert known == sorted(known)
    assert 1.0 < max(row["rate"] for row in rows) < 1.1


@pytest.mark.parametrize("policy", ["reject", "skip"])
def test_hourly_rates_begin_with_rows_that_cannot_be_used(policy):
    spec = rate_spec(
        "usdc",
        "aave_hourly/aave_v2_usdc_eth.parquet",
        aggregate_name="aave-v2:usdc",
        event_time="hour",
        columns={"rate": {"column": "lender_variable_apr", "unit": "percent"}},
        policy=policy,
    )
    feed = Merge([Tape(spec, DATA)])
    if policy == "reject":
        with pytest.raises(RowRejected, match=r"row 0.*lender_variable_apr"):
            feed.read(10)
        return
    rows = drain(feed, 8_192)
    missing = feed.rejected().counts[("usdc", "missing")]
    assert rows[0]["row"] >= 2
    assert len(rows) + missing == 42_345
    assert max(row["rate"] for row in rows) < 1.0


def test_percent_without_a_unit_is_told_so():
    spec = rate_spec(
        "usdt",
        "aave_hourly/aave_v3_usdt_eth.parquet",
        aggregate_name="usdt",
        event_time="hour",
        columns={"rate": "lender_variable_apr"},
        select={},
        policy="skip",
    )
    feed = Merge([Tape(spec, DATA)])
    drain(feed, 8_192)
    absurd = [row for row in feed.rejected().rows if row.reason == "absurd"]
    assert absurd
    assert "unit = 'percent'" in absurd[0].detail


def test_repeated_candles_are_left_out_and_counted():
    spec = candle_spec(
        "eth", "cex_hourly/bybit_spot_ETHUSDT_1h_2024-01_2025-09.csv.gz", policy="skip"
    )
    feed = Merge([Tape(spec, DATA)])
    rows = drain(feed)
    assert feed.rejected().counts == {("eth", "duplicate"): 15}
    assert len(rows) == 15_231 - 15
    assert {row["known_at"] - row["event_time"] for row in rows} == {HOUR}
    with pytest.raises(RowRejected, match="repeats"):
        drain(Merge([Tape(spec.model_copy(update={"policy": "reject"}), DATA)]))


def test_holes_are_no_fault():
    path = "cex_hourly/binance_spot_BTCUSDT_1h_2024-01_2025-09.csv.gz"
    rows = drain(Merge([Tape(candle_spec("btc", path), DATA)]))
    times = [row["event_time"] for row in rows]
    gaps = [after - before for before, after in pairwise(times)]
    assert len(rows) == 14_967
    assert sum(gap > HOUR for gap in gaps) == 15


def test_candles_in_milliseconds_merge_in_one_order():
    counts = {"USDC": 4_590, "USDE": 4_847, "USDTB": 4_847, "USD1": 2_006}
    tapes = [
        Tape(
            candle_spec(
                name,
                f"stablecoin_cex/{name}USDT_1h.csv.gz",
                event_time={"column": "ts", "unit": "ms"},
            ),
            DATA,
        )
        for name in counts
    ]
    rows = drain(Merge(tapes), 777)
    rank = {name: number for number, name in enumerate(counts)}
    keys = [(row["known_at"], rank[row["source"]], row["row"]) for row in rows]
    assert keys == sorted(keys)
    assert {name: sum(row["source"] == name for row in rows) for name in counts} == counts


def test_minutes_on_chain_with_27_decimals_and_a_column_without_a_name():
    usdc = "polygon-aave_v3-0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
    rates = rate_spec(
        "rates",
        f"onchain_minute/{usdc}-2023-08-14.minute.csv.gz",
        aggregate_name="polygon:usdc",
        event_time="block_timestamp",
        columns={"rate": "liquidity_rate", "index": "liquidity_index"},
    )
    prices = candle_spec(
        "weth",
        "onchain_minute/price_weth_usdc_0813_0817.csv.gz",
        event_time="",
        known_after=None,
        columns={"price": "WETH"},
        policy="skip",
    )
    feed = Merge([Tape(rates, DATA), Tape(prices, DATA)])
    rows = drain(feed, 1_000)
    kinds = [row["type"] for row in rows]
    back = feed.rejected().counts[("weth", "unsorted")]
    assert (kinds.count("PoolRateObserved"), kinds.count("PriceObserved") + back) == (1_440, 7_200)
    assert feed.rejected().rows[0].row == 8
    first = next(row for row in rows if row["source"] == "rates")
    assert first["rate"] == pytest.approx(0.0486026668891323)
