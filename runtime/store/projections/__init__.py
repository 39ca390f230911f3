"""Projections: what a store derives from its log, by rules of its own or of its users."""

from runtime.store.projections.control import Dropped, Projections, Report
from runtime.store.projections.definition import Definition, Mode, standard_definitions
from runtime.store.projections.engine import Limits
from runtime.store.projections.runner import Progress, Status

__all__ = [
    "Definition",
    "Dropped",
    "Limits",
    "Mode",
    "Progress",
    "Projections",
    "Report",
    "Status",
    "standard_definitions",
]
