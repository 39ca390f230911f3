"""Feeds: recorded history, the merge of several, and decisions read back from the log."""

from runtime.feeds.backlog import Bound, Overload
from runtime.feeds.decisions import DecisionSource, DecisionTape
from runtime.feeds.drops import Record
from runtime.feeds.files import content_digest
from runtime.feeds.live import Live, Recorded
from runtime.feeds.merge import Merge
from runtime.feeds.port import QUIET, Drop, Feed, FeedBatch, Quiet, RejectedRow, RejectReport
from runtime.feeds.spec import ColumnSpec, TapeSpec, TimeColumn
from runtime.feeds.tape import Tape, observation, row_count, table_tape

__all__ = [
    "QUIET",
    "Bound",
    "ColumnSpec",
    "DecisionSource",
    "DecisionTape",
    "Drop",
    "Feed",
    "FeedBatch",
    "Live",
    "Merge",
    "Overload",
    "Quiet",
    "Record",
    "Recorded",
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
