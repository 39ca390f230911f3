"""A store that is served by a process of its own, which a test can watch and kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
END_SECONDS = 30
_LUCENT = "from runtime.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves a store, and the file to which it writes its complaints."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def uri(self) -> str:
        return f"esdb://localhost:{self.port}?Tls=false"

    @property
    def memory(self) -> int:
        """The bytes of memory that it has."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def connections(self) -> int:
        """The connections that it holds."""
        return len(psutil.Process(self.process.pid).net_connections("tcp")) - 1

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def complaints(self) -> str:
        """What it has written to standard error."""
        return self.log.read_text()


@contextmanager
def serving(path: Path, *options: str) -> Iterator[Server]:
    """Serve the store at `path` inside the block, with `options` of `lucent store serve`."""
    log = path.with_suffix(".log")
    command = ("store", "serve", str(path), "--listen", "127.0.0.1:0", *options)
    with log.open("w") as complaints:
        process = subprocess.Popen(
            (sys.executable, "-c", _LUCENT, *command),
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
        )
    with process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)\?", process.stdout.readline())
            assert found is not None, log.read_text()
            yield Server(process, int(found[1]), log)
            process.send_signal(signal.SIGTERM)
            process.wait(END_SECONDS)
        finally:
            process.kill()
