"""Feeds: recorded history, the merge of several, and decisions read back from the log."""

from runtime.feeds.decisions import DecisionSource, DecisionTape
from runtime.feeds.files import content_digest
from runtime.feeds.merge import Merge
from runtime.feeds.port import Feed, FeedBatch, RejectedRow, RejectReport
from runtime.feeds.spec import ColumnSpec, TapeSpec, TimeColumn
from runtime.feeds.tape import Tape, observation, row_count, table_tape

__all__ = [
    "ColumnSpec",
    "DecisionSource",
    "DecisionTape",
    "Feed",
    "FeedBatch",
    "Merge",
    "RejectReport",
    "RejectedRow",
    "Tape",
    "TapeSpec",
    "TimeColumn",
    "content_digest",
    "observation",
    "row_count",
    "table_tape",
]
