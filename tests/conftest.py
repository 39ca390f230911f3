"""What all tests share: one Ray a session, and no test is timed by the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from runtime.jobs.connection import settle_ray

settings.register_profile("lucent", deadline=None, print_blob=True)
settings.load_profile("lucent")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray cluster on this machine, for the whole session."""
    import ray  # noqa: PLC0415 (most tests need none)

    settle_ray()
    ray.init(num_cpus=9, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a Ray come last: others start their own, or want none on the machine."""
    items.sort(key=lambda item: "ray_session" in getattr(item, "fixturenames", ()))
