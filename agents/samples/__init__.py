"""Recorded inputs that ship with Lucent, each in a folder with its source and its licence.

`aave-v3-daily`: the rates of all Aave v3 reserves, a snapshot a day.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def sample_path(name: str) -> Path:
    """Where a bundled sample, or a file in one, lies on this machine.

    Raises `FileNotFoundError`, naming the samples there are, if there is none of that name.

    >>> sorted(path.name for path in sample_path("aave-v3-daily").iterdir())
    ['LICENSE', 'SOURCE.md', 'aave_v3_daily.parquet', 'demo.toml']
    >>> sample_path("aave-v3-daily/aave_v3_daily.parquet").suffix
    '.parquet'
    """
    root = Path(str(files(__package__)))
    path = root.joinpath(name)
    if not path.exists():
        known = sorted(p.name for p in root.iterdir() if p.joinpath("SOURCE.md").is_file())
        raise FileNotFoundError(f"no sample {name!r} is bundled; there are: {', '.join(known)}")
    return path
