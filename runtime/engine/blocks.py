"""Reading in blocks: batches that begin and end at multiples of a number of positions.

What is signed together is decided on together: with blocks, where a batch ends depends on the
input alone, and so do the stored bytes.
"""

from __future__ import annotations

import pyarrow as pa

from runtime.feeds import Feed, FeedBatch


def block_end(position: int, block: int) -> int:
    """Where the block that holds `position` ends.

    >>> block_end(0, 100), block_end(99, 100), block_end(100, 100)
    (100, 100, 200)
    """
    return (position // block + 1) * block


def read_block(feed: Feed, block: int) -> FeedBatch | None:
    """The rest of the block at which `feed` stands, or what is left at its end; None behind it."""
    end = block_end(feed.position, block)
    batches: list[FeedBatch] = []
    while feed.position < end:
        batch = feed.read(end - feed.position)
        if batch is None:
            break
        assert isinstance(batch, FeedBatch), "blocks are read of history only"
        batches.append(batch)
    if len(batches) < 2:
        return batches[0] if batches else None
    rows = pa.concat_batches([batch.rows for batch in batches])
    return FeedBatch(rows, batches[-1].end, batches[-1].cursor)
