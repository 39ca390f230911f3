"""KurrentDB's clients for Node: their packages, and scripts that use them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("@kurrent/kurrentdb-client", "@eventstore/db-client")
SCRIPTS = Path(__file__).parent / "node"
INSTALL_SECONDS = 180
SCRIPT_SECONDS = 90
_MANIFESTS = ("package.json", "package-lock.json")


def modules() -> Path:
    """The folder that holds `node_modules`, outlasting the tests; skips where there can be none."""
    found = _modules()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@cache
def _modules() -> Path | str:
    """The folder, or why there is none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node's clients need node and npm, which are not on this machine"
    lock = (SCRIPTS / "package-lock.json").read_bytes()
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lucent-tests"
    folder = kept / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if folder.exists():
        return folder
    kept.mkdir(parents=True, exist_ok=True)
    try:
        _install(kept, folder)
    except subprocess.TimeoutExpired:
        return f"Node's clients cannot be installed: npm took {INSTALL_SECONDS} s"
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[:1]
        return f"Node's clients cannot be installed: {reason}"
    return folder


def _install(kept: Path, folder: Path) -> None:
    """Install the packages aside, then move them to `folder`, unless another process did."""
    with tempfile.TemporaryDirectory(dir=kept) as aside:
        made = Path(aside) / "made"
        made.mkdir()
        for name in _MANIFESTS:
            shutil.copy(SCRIPTS / name, made)
        subprocess.run(
            ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"),
            cwd=made,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=True,
        )
        with suppress(OSError):
            made.rename(folder)


@dataclass(frozen=True, slots=True)
class Script:
    """A script that runs; it tells lines of [name, what came of it]."""

    process: subprocess.Popen[str]

    def told(self, name: str) -> Any:
        """The next thing that it tells, which must be `name`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the script ended before it told {name!r}"
        found, value = json.loads(line)
        assert found == name
        return value

    def go_on(self) -> None:
        """Have it go on where it waits for the test."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def rest(self) -> dict[str, Any]:
        """All else that it tells, until it ends well."""
        out, _ = self.process.communicate(timeout=SCRIPT_SECONDS)
        told = dict(json.loads(line) for line in out.splitlines() if line.startswith("["))
        assert self.process.returncode == 0, f"the script failed after {list(told)[-1:]}"
        assert "done" in told
        return told


def plain(port: int) -> str:
    """The address of a server at `port` without TLS."""
    return f"esdb://localhost:{port}?tls=false"


@contextmanager
def started(script: str, package: str, uri: str) -> Iterator[Script]:
    """Run one of the scripts in `node/` against the server at `uri`, inside the block."""
    folder = modules()
    process = subprocess.Popen(
        ("node", SCRIPTS / script, folder, package, uri),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Script(process)
        finally:
            process.kill()
