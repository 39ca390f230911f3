"""What a root may depend on beyond inputs, strategies and parameters."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("lucent", "cryptography", "msgspec", "numpy", "pyarrow", "ray", "scikit-learn", "scipy")
"""The packages whose versions are recorded."""


def fingerprint() -> dict[str, str]:
    """Versions of Python and the libraries, platform, and the processor with its features.

    Strategies of plain arithmetic do not depend on any of it; models that go through BLAS
    or SIMD reductions may.
    """
    found = {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    processor, features = _processor()
    return found | {"processor": processor, "simd": features}


def _processor() -> tuple[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown", "unknown"
    pairs = (line.partition(":") for line in text.splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    simd = [flag for flag in flags if flag.startswith(("avx", "fma", "sse4", "asimd", "sve"))]
    return facts.get("model name", platform.machine()), " ".join(sorted(simd))
