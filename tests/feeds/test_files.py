from __future__ import annotations

import gzip
import os
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.errors import (
    ColumnMissing,
    ConfigError,
    FeedDamaged,
    FeedEmpty,
    FeedError,
    FeedMissing,
    RowRejected,
)
from runtime.feeds import Merge, Tape, content_digest, observation, row_count
from tests.feeds.samples import Row, drain, price_spec, price_table, taken

ROWS = [Row("x", 1, 1, 1.5), Row("y", 2, 2, 2.5), Row("x", 3, 3, 3.5)]
CSV = "a,t,k,p\n" + "".join(f"{r.aggregate},{r.time},{r.known},{r.price}\n" for r in ROWS)
NDJSON = "".join(
    f'{{"a":"{r.aggregate}","t":{r.time},"k":{r.known},"p":{r.price}}}\n' for r in ROWS
)


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(price_table(ROWS), path)
        return path
    body = (CSV if ".csv" in name else NDJSON).encode()
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    return path


def read(folder: Path, name: str, **changes):
    return drain(Merge([Tape(price_spec(path=name, **changes), folder)]), 2)


@pytest.mark.parametrize(
    "name", ["a.parquet", "a.csv", "a.csv.gz", "a.ndjson", "a.ndjson.gz", "a.jsonl"]
)
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = written(tmp_path, name)
    rows = read(tmp_path, name)
    assert [(r["aggregate"], r["event_time"], r["price"]) for r in rows] == [
        (r.aggregate, r.time, r.price) for r in ROWS
    ]
    assert content_digest(path) == sha256(path.read_bytes()).hexdigest()
    assert str(observation(price_spec(path=name), tmp_path, 1)["p"]) == "2.5"
    with pytest.raises(FeedError, match="row 3"):
        observation(price_spec(path=name), tmp_path, 3)


def test_parquet_knows_its_row_count(tmp_path):
    written(tmp_path, "a.parquet")
    written(tmp_path, "a.csv")
    assert row_count(price_spec(path="a.parquet"), tmp_path) == 3
    assert row_count(price_spec(path="a.csv"), tmp_path) is None


@pytest.mark.parametrize("start", range(1, 10))
def test_seeking_goes_past_row_groups(tmp_path, start):
    rows = [Row("x", time, time, 1.0) for time in range(10)]
    pq.write_table(price_table(rows), tmp_path / "a.parquet", row_group_size=3)
    spec = price_spec(path="a.parquet")
    feed = Merge([Tape(spec, tmp_path)])
    cursor = feed.read(start).cursor
    again = Merge([Tape(spec, tmp_path)])
    again.seek(cursor)
    assert [number for _, number in taken(drain(again))] == list(range(start, 10))


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.ndjson.gz"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(FeedMissing, match=name):
        read(tmp_path, name)
    with pytest.raises(FeedMissing, match=name):
        content_digest(tmp_path / name)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.ndjson.gz"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(FeedMissing, match=f"{name}: it is a pipe or a device"):
        read(tmp_path, name)
    with pytest.raises(FeedMissing, match=f"{name}: it is a pipe or a device"):
        content_digest(tmp_path / name)


def test_a_folder_and_a_forbidden_file(tmp_path, monkeypatch):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(FeedMissing):
        read(tmp_path, "a.csv")

    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    written(tmp_path, "b.csv")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(FeedMissing, match="Permission denied"):
        read(tmp_path, "b.csv")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", b""),
        ("a.csv", b"a,t,k,p\n"),
        ("a.csv.gz", gzip.compress(b"a,t,k,p\n")),
        ("a.ndjson", b""),
        ("a.ndjson", b"\n\n"),
        ("a.parquet", b""),
    ],
)
def test_a_file_without_rows(tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(FeedEmpty, match=name):
        read(tmp_path, name)


def test_a_parquet_without_rows(tmp_path):
    pq.write_table(price_table([]), tmp_path / "a.parquet")
    with pytest.raises(FeedEmpty):
        read(tmp_path, "a.parquet")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a.parquet", b"not parquet at all", "magic"),
        ("a.csv", b"a,t,k,p\nx,1,1,1\nx,2\n", "x,2"),
        ("a.csv", b"a,t,k,p\n\xff\xfe,1,1,1\n", "UTF8"),
        ("a.csv", b"a,t,k,p,p\nx,1,1,1,1\n", "'p'"),
        ("a.ndjson", b'{"a":"x","t":1,"p":1}\n{"a":\n', "line 2"),
        ("a.ndjson", b"[1]\n", "line 1"),
        ("a.csv.gz", b"a,t,k,p\nx,1,1,1\n", "a.csv.gz"),
        ("a.ndjson.gz", gzip.compress(NDJSON.encode() * 500)[:-30], "a.ndjson.gz"),
        ("a.csv.gz", gzip.compress(CSV.encode() * 500)[:-30], "a.csv.gz"),
        ("a.csv.gz", gzip.compress(CSV.encode() * 500)[:12] + b"\xff" * 500, "a.csv.gz"),
    ],
)
def test_a_damaged_file(tmp_path, name, body, said):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(FeedDamaged, match=said):
        read(tmp_path, name, policy="skip")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_parquet(tmp_path, keep):
    path = written(tmp_path, "a.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(FeedDamaged):
        read(tmp_path, "a.parquet")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.ndjson"])
def test_a_missing_column_is_told_the_nearest(tmp_path, name):
    path = written(tmp_path, name)
    if name != "a.parquet":
        path.write_text(path.read_text().replace("p", "price", 1 if ".csv" in name else -1))
    else:
        table = price_table(ROWS)
        pq.write_table(table.rename_columns(["a", "t", "k", "price"]), path)
    with pytest.raises(ColumnMissing, match=r"'prise'.*'price'.*a, k, price, t"):
        read(tmp_path, name, columns={"price": "prise"})


def test_a_blank_line_is_no_end(tmp_path):
    (tmp_path / "a.csv").write_text("a,t,p\n\nx,1,1\n\nx,2,1\n")
    assert len(read(tmp_path, "a.csv")) == 2


def test_a_header_may_quote_a_comma_and_a_column_may_have_no_name(tmp_path):
    (tmp_path / "a.csv").write_text(',t,"p,q"\nx,1,2.5\n')
    rows = read(tmp_path, "a.csv", aggregate=[""], columns={"price": "p,q"})
    assert [(row["aggregate"], row["price"]) for row in rows] == [("x", 2.5)]


@pytest.mark.parametrize(("name", "text"), [("a.csv", CSV), ("a.ndjson", NDJSON)])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert len(read(tmp_path, name)) == 3


def test_times_in_json_are_exact_beside_others(tmp_path):
    exact = 1_700_000_000_000_000_001
    lines = [f'{{"a":"x","t":{exact},"p":1}}', '{"a":"x","t":1.8e18,"p":2.5}']
    (tmp_path / "a.ndjson").write_text("\n".join(lines))
    assert [row["event_time"] for row in read(tmp_path, "a.ndjson")] == [exact, 1_800 * 10**15]


def test_huge_json_numbers_are_refused_by_row(tmp_path):
    (tmp_path / "a.ndjson").write_text('{"a":"x","t":1,"p":1' + "0" * 400 + "}\n")
    with pytest.raises(FeedError):
        read(tmp_path, "a.ndjson")


def test_a_bad_row_names_its_file(tmp_path):
    (tmp_path / "a.csv").write_text("a,t,p\nx,1,1\nx,2,cheap\n")
    with pytest.raises(RowRejected, match=r"a\.csv.*row 1.*\(x\).*'cheap'.*'p'"):
        read(tmp_path, "a.csv")


def test_a_format_is_told_by_suffix_or_declared(tmp_path):
    path = written(tmp_path, "a.csv")
    path.rename(tmp_path / "a.dat")
    with pytest.raises(ConfigError, match="format"):
        read(tmp_path, "a.dat")
    assert len(read(tmp_path, "a.dat", format="csv")) == 3


def test_text_columns_of_tables_may_be_dictionaries(tmp_path):
    table = price_table(ROWS)
    coded = table.set_column(0, "a", table["a"].dictionary_encode())
    large = table.set_column(0, "a", table["a"].cast(pa.large_string()))
    for number, each in enumerate((coded, large)):
        pq.write_table(each, tmp_path / f"{number}.parquet")
    assert read(tmp_path, "0.parquet") == read(tmp_path, "1.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"pool,ts,rate\ra,1,0.1\rb,2,0.2\r"),
        ("a.ndjson", b'{"pool": "a"}\n' + b"[" * 5_000),
    ],
)
def test_lines_that_no_reader_takes_are_damage(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FeedDamaged, match=name):
        read(tmp_path, name)
