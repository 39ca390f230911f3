"""A Ray cluster of several nodes on this machine: one is taken away while a run goes on.

Run as a script with the path of the store: it needs a Ray of its own. Prints the outcome's root.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from tests.chaos.live import Live, working
from tests.laws.study import arithmetic


def main(store: Path) -> None:
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    small = {"batch": 64, "events": 512}
    config = arithmetic(store, shell="ray", hosts=3, credit=small, snapshot_events=2_000)
    live = Live(config.changed("hosts", deadline=10.0))
    status = live.until(lambda s: len(working(s)) == 3)
    assert len(working(status)) == 3, status
    cluster.remove_node(nodes[0], allow_graceful=False)
    cluster.add_node(num_cpus=1)
    outcome = live.outcome()
    sys.stdout.write(f"{outcome.root} {outcome.completed}\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
