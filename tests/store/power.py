"""A disk that loses power: what is left of files of which a process was seen to write and sync.

What `strace` saw is taken as the truth: of what was written since a file was last synced, any
sectors may be on the disk, and others not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.store.children import ROOT

SECTOR = 512
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate"
_CALL = re.compile(r"\d+ +(\w+)\((\d+)<([^>]*)>(?:, (.*))?\) += \d+$")
_PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")


class Call(NamedTuple):
    """A write or sync of a file; a truncation has the new size as its offset and no data."""

    name: str
    number: int
    file: Path
    offset: int = 0
    data: bytes = b""


def can_trace() -> bool:
    """Whether `strace` is installed and allowed to look at processes."""
    if shutil.which("strace") is None:
        return False
    tried = ["strace", "-o", "/dev/null", "true"]
    return subprocess.run(tried, check=False, capture_output=True).returncode == 0


def trace(log: Path, program: str, *arguments: str | Path, fault: str = "") -> str:
    """Run a program to its end; what `strace` says of its calls that write and sync.

    `fault` makes some of them fail, as `strace -e inject` takes it.
    """
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(log)]
    command += ["-e", f"inject={fault}"] if fault else []
    python = [sys.executable, "-c", program, *map(str, arguments)]
    subprocess.run([*command, *python], cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=120)
    return _PATH.sub(lambda found: f"<{_bytes(found[1]).decode()}>", log.read_text())


def calls(traced: str) -> Iterator[Call]:
    """The calls of a program of one thread, in order."""
    for line in traced.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        name, number, file, rest = found.groups()
        place = name, int(number), Path(file)
        if name == "ftruncate":
            yield Call(*place, int(rest))
        elif rest is None:
            yield Call(*place)
        else:
            text, _, *offset = rest.split(", ")
            data = _bytes(text.strip('"'))
            yield Call(*place, int(offset[0]) if offset else 0, data)


def _bytes(text: str) -> bytes:
    """What `strace` prints as hexadecimal escapes."""
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass(slots=True)
class Disk:
    """The files on a disk, and the calls that changed each since it was last synced."""

    files: dict[Path, bytearray]
    pending: dict[Path, list[Call]] = field(default_factory=dict)

    def carry_out(self, call: Call) -> None:
        """Take a call on one of its files."""
        if call.name not in ("fsync", "fdatasync"):
            self.pending.setdefault(call.file, []).append(call)
            return
        for one in self.pending.pop(call.file, ()):
            for part in _sectors(one):
                _change(self.files[call.file], part)

    def after_a_cut(self, random: Random) -> dict[Path, bytes]:
        """The files if the power fails now."""
        left = {file: bytearray(content) for file, content in self.files.items()}
        for file, calls in self.pending.items():
            share = random.choice((0.0, 0.3, 0.9, 1.0))
            for part in (part for call in calls for part in _sectors(call)):
                if random.random() < share:
                    _change(left[file], part)
        return {file: bytes(content) for file, content in left.items()}


def _sectors(call: Call) -> Iterator[Call]:
    """What a call changes, sector by sector; a truncation as it is."""
    if call.name == "ftruncate":
        yield call
    end = call.offset + len(call.data)
    start = call.offset
    while start < end:
        stop = min(start // SECTOR * SECTOR + SECTOR, end)
        data = call.data[start - call.offset : stop - call.offset]
        yield call._replace(offset=start, data=data)
        start = stop


def _change(content: bytearray, part: Call) -> None:
    content.extend(bytes(max(0, part.offset - len(content))))
    if part.name == "ftruncate":
        del content[part.offset :]
    else:
        content[part.offset : part.offset + len(part.data)] = part.data
