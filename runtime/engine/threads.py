"""The threads of a run: one for itself; one for linear algebra, whatever shares a sum."""

from __future__ import annotations

import os

from threadpoolctl import threadpool_limits

RUN_THREAD = "lucent-run"
"""The name of the thread that carries a run out in the process that started it."""


def single_threaded() -> None:
    """Let BLAS and OpenMP use one thread in this process, from now on.

    Call it once the strategies are loaded: libraries loaded later read the environment,
    which is set too.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threadpool_limits(1)
