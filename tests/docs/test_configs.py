"""Every config in the project can be read and its agents resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.jobs.config import load_config
from runtime.jobs.planning import appoint

CHECKOUT = Path(__file__).parents[2]
CONFIGS = sorted(
    [*CHECKOUT.glob("cluster-configs/*.toml"), *CHECKOUT.glob("agents/samples/*/*.toml")]
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_config_is_whole(path: Path) -> None:
    config = load_config(path)
    assert appoint(config)
    assert all(Path(feed.path).exists() for feed in config.feeds)
