"""Runs that fall behind, runs that are replayed, and runs whose strategy is upgraded."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Lucent, told
from tests.cli.samples import DAYS, POOLS

FAST = 'name = "small"\npace = 1e12'
CONFLATING = 'policy = "reject"\noverload = "conflate"\nbacklog = 8'


def change(config: Path, *changes: tuple[str, str]) -> Path:
    """Change texts of a config."""
    text = config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    config.write_text(text)
    return config


def test_a_run_that_falls_behind_says_so_and_is_replayed(lucent: Lucent, small: Path) -> None:
    config = change(small, ('name = "small"', FAST), ('policy = "reject"', CONFLATING))
    live = lucent("run", config)
    assert live.code == 0, live
    assert "fell behind: " in live.out
    assert f"{DAYS * len(POOLS):,} events read" not in live.out
    again = lucent("run", config, "--store", "again.db", "--replay", "small.db")
    assert (again.code, again.root) == (0, live.root)
    assert lucent("verify", "again.db").code == 0


def test_a_replay_of_a_store_without_the_run_is_refused(lucent: Lucent, small: Path) -> None:
    change(small, ('policy = "reject"', CONFLATING))
    line = told(lucent("run", small, "--replay", "none.db"))
    assert line.startswith("StoreMissing: no store at ")
    assert lucent("run", small).code == 0
    change(small, ("warmup = 5", "warmup = 6"))
    line = told(lucent("run", small, "--store", "again.db", "--replay", "small.db"))
    assert "RunConflict" in line
    assert "small.db holds no run 'small' of these feeds and agents" in line


def test_what_a_pace_may_be(lucent: Lucent, small: Path) -> None:
    for pace in ("0", "-1.0", "nan", '"fast"'):
        text = small.read_text()
        change(small, ('name = "small"', f'name = "small"\npace = {pace}'))
        line = told(lucent("run", small))
        assert "ConfigError" in line
        assert "pace" in line
        small.write_text(text)


def test_a_pace_beyond_all_clocks_plays_all_at_once(lucent: Lucent, small: Path) -> None:
    change(small, ('name = "small"', 'name = "small"\npace = 1e308'))
    ended = lucent("run", small)
    assert ended.code == 0, ended
    assert "the run is complete" in ended.out


def test_a_config_may_begin_with_a_byte_order_mark(lucent: Lucent, small: Path) -> None:
    small.write_text(small.read_text(), encoding="utf-8-sig")
    assert lucent("run", small).code == 0


def test_an_upgrade_of_a_complete_run_is_refused(lucent: Lucent, small: Path) -> None:
    assert lucent("run", small).code == 0
    change(small, ("threshold = 1.5", "threshold = 2.5"))
    assert "lucent upgrade CONFIG" in told(lucent("run", small))
    assert "there is nothing to upgrade" in told(lucent("upgrade", small))


def test_an_upgrade_of_a_run_that_never_began_just_begins_it(lucent: Lucent, small: Path) -> None:
    begun = lucent("upgrade", small)
    assert begun.code == 0, begun
    assert lucent("run", small, "--store", "plain.db").root == begun.root
