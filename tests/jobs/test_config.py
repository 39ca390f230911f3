from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import agents.samples
from runtime.errors import ConfigError, LucentError, UnknownName
from runtime.jobs.config import RunConfig, load_config, parse_config, resolve_path
from runtime.jobs.launch import prepare, run
from tests.support.jobs import follower, job, job_data, rates_feed, watcher

TOML = """
[run]
name = "study"
[store]
path = "log.db"
[[feeds]]
name = "rates"
path = "rates.parquet"
event_type = "PoolRateObserved"
aggregate = ["pool"]
event_time = { column = "at", unit = "ns" }
columns = { rate = "rate" }
[[agents]]
name = "watcher"
strategy = "tests.support.strategies:Watch"
listens = ["PoolRateObserved"]
"""


def renamed(section: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in section.items()}


@pytest.mark.parametrize(
    ("changes", "typo", "nearest"),
    [
        ({"run": {"nmae": "x"}}, "nmae", "name"),
        ({"run": {"name": "x", "snapshot_event": 5}}, "snapshot_event", "snapshot_events"),
        ({"store": {"paht": "x"}}, "paht", "path"),
        ({"keys": {"dmeo": True}}, "dmeo", "demo"),
        ({"keys": {"passphrasefile": "x"}}, "passphrasefile", "passphrase_file"),
        ({"hosts": {"coutn": 1}}, "coutn", "count"),
        ({"hosts": {"shel": "local"}}, "shel", "shell"),
        ({"credit": {"batches": 5}}, "batches", "batch"),
        ({"creddit": {}}, "creddit", "credit"),
        ({"feeds": [renamed(rates_feed(), "event_type", "eventtype")]}, "eventtype", "event_type"),
        ({"feeds": [rates_feed(event_type="PoolRateObservd")]}, "PoolRateObservd", "PoolRate"),
        ({"feeds": [rates_feed(columns={"raet": "rate"})]}, "raet", "rate"),
        ({"feeds": [rates_feed(columns={"rate": {"colum": "rate"}})]}, "colum", "column"),
        ({"feeds": [rates_feed(event_time={"column": "at", "units": "ns"})]}, "units", "unit"),
        ({"agents": [watcher(parameter={})]}, "parameter", "parameters"),
        ({"agents": [renamed(watcher(), "listens", "listen")]}, "listen", "listens"),
    ],
)
def test_a_typo_is_told_the_nearest_name(
    tmp_path: Path, changes: dict[str, Any], typo: str, nearest: str
):
    with pytest.raises(UnknownName) as caught:
        parse_config(job_data(**changes), tmp_path)
    assert f"{typo!r}: did you mean '{nearest}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"run": {}}, "name"),
        ({"run": {"name": "../x"}}, "not a name"),
        ({"run": {"name": 5}}, "name"),
        ({"run": {"name": "x", "snapshot_events": 0}}, "snapshot_events"),
        ({"run": "study"}, "run"),
        ({"store": {}}, "path"),
        ({"store": {"path": 5}}, "path"),
        ({"keys": {"demo": "perhaps"}}, "demo"),
        ({"hosts": {"count": 0}}, "count"),
        ({"hosts": {"count": "many"}}, "count"),
        ({"hosts": {"shell": "kubernetes"}}, "shell"),
        ({"credit": {"events": 0}}, "events"),
        ({"credit": {"bytes": "64 MiBB"}}, "bytes"),
        ({"credit": {"batch": float("nan")}}, "batch"),
        ({"feeds": []}, "feeds"),
        ({"feeds": [rates_feed(), rates_feed()]}, "two feeds are named 'rates'"),
        ({"feeds": [rates_feed(name="a b")]}, "not a name"),
        ({"feeds": [rates_feed(policy="ignore")]}, "policy"),
        ({"feeds": [rates_feed(known_after="soon")]}, "not a duration"),
        ({"feeds": {"name": "rates"}}, "feeds"),
        ({"agents": []}, "agents"),
        ({"agents": ["watcher"]}, "agents"),
        ({"agents": [watcher(listens="PoolRateObserved")]}, "listens = .* should be a list"),
        ({"agents": [watcher(form="row")]}, "form"),
        ({"hosts": {"count": True}}, r"\[hosts\] count = True: should be a number"),
        ({"hosts": {"count": "2"}}, r"\[hosts\] count = '2': should be a number, without quotes"),
        ({"hosts": {"deadline": False}}, r"\[hosts\] deadline = False: should be a number"),
        ({"credit": {"bytes": True}}, r"\[credit\] bytes = True: should be a number"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, changes: dict[str, Any], named: str):
    with pytest.raises(ConfigError, match=named):
        parse_config(job_data(**changes), tmp_path)


def test_all_wrong_settings_are_named_at_once(tmp_path: Path):
    changes: dict[str, Any] = {"hosts": {"count": 0}, "credit": {"batch": 0}, "store": {}}
    with pytest.raises(ConfigError) as caught:
        parse_config(job_data(**changes), tmp_path)
    assert all(name in str(caught.value) for name in ("count", "batch", "path"))


def test_a_config_file_is_read(tmp_path: Path):
    (tmp_path / "study.toml").write_text(TOML)
    config = load_config(tmp_path / "study.toml")
    assert (config.run.name, config.hosts.shell, config.hosts.count) == ("study", "ray", 2)
    assert config.store_place == tmp_path / "log.db"
    assert config.feeds[0].path == str(tmp_path / "rates.parquet")
    assert config == load_config(str(tmp_path / "study.toml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"run = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"[run]\nname = 'x'\nname = 'y'\n", "not TOML"),
        (b"", "run"),
        (TOML.replace("path = ", "paht = ").encode(), "did you mean 'path'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path, content: bytes, said: str):
    file = tmp_path / "study.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"study\.toml.*" + said):
        load_config(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"study\.toml: No such file"):
        load_config(tmp_path / "study.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_a_path_may_lie_in_a_package():
    name = "aave-v3-daily/demo.toml"
    path = resolve_path(f"package:agents.samples/{name}", Path("/elsewhere"))
    assert path == Path(agents.samples.__file__).parent / name
    assert load_config(f"package:agents.samples/{name}").run.name == "aave-v3-daily"


@pytest.mark.parametrize(
    "path",
    [
        "package:nowhere/x",
        "package:agents.nope/x",
        "package:agents.scout/x",
        "package:..x/y",
        "package:/x",
        "package:",
    ],
)
def test_a_package_that_is_none_is_named(path: str):
    with pytest.raises(ConfigError, match="there is no package"):
        resolve_path(path, Path("/elsewhere"))


def test_paths_start_from_the_config(tmp_path: Path):
    assert resolve_path("a/b.parquet", tmp_path) == tmp_path / "a" / "b.parquet"
    assert resolve_path("/a/b.parquet", tmp_path) == Path("/a/b.parquet")
    assert resolve_path("~/b.parquet", tmp_path) == Path.home() / "b.parquet"


def test_settings_are_replaced_one_by_one(tmp_path: Path):
    config = job(tmp_path)
    other = config.changed("hosts", count=7, shell=None)
    assert (other.hosts.count, other.hosts.shell) == (7, "local")
    assert other.base == config.base == tmp_path
    assert config.hosts.count == 1
    with pytest.raises(ConfigError, match="count"):
        config.changed("hosts", count=0)
    with pytest.raises(UnknownName, match="did you mean 'count'"):
        config.changed("hosts", coutn=3)
    with pytest.raises(ConfigError, match="count"):
        run(config, count=0)


def test_an_agent_may_not_take_the_name_of_the_key_of_the_run(tmp_path: Path):
    with pytest.raises(ConfigError, match="no agent may be named 'supervisor'"):
        prepare(job(tmp_path, agents=[watcher("supervisor")]))


def test_keys_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUCENT_PASSPHRASE", "x")
    with pytest.raises(LucentError, match="`lucent keys create watcher --keys "):
        prepare(job(tmp_path, keys={"directory": "keys"}))
    monkeypatch.delenv("LUCENT_PASSPHRASE")
    with pytest.raises(LucentError, match="LUCENT_PASSPHRASE"):
        prepare(job(tmp_path, keys={"directory": "keys"}))


def test_a_config_does_not_change(tmp_path: Path):
    config = job(tmp_path, agents=[watcher(), follower()])
    assert isinstance(config, RunConfig)
    with pytest.raises(ValueError, match="frozen"):
        config.hosts.count = 5  # type: ignore[misc]


@pytest.mark.parametrize("text", ["a = " + "9" * 6_000, "a = " + "[" * 5_000])
def test_a_file_that_goes_beyond_what_can_be_read_is_named(tmp_path: Path, text: str):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.toml is not TOML"):
        load_config(path)
