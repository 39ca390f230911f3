"""The care of a store file: checks, backups, restoring, exports and imports."""

from runtime.store.upkeep.backup import Copy, backup
from runtime.store.upkeep.check import check
from runtime.store.upkeep.export import export
from runtime.store.upkeep.findings import Checkup, Finding
from runtime.store.upkeep.ingest import ingest
from runtime.store.upkeep.restoring import restore

__all__ = ["Checkup", "Copy", "Finding", "backup", "check", "export", "ingest", "restore"]
