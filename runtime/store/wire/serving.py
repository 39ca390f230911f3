"""How a store is served."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.store.access import Directory
from runtime.store.projections import Limits
from runtime.store.wire.streams import MAX_APPEND


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a served store: its users, and whether others may do what is open to all."""

    users: Directory
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """How a store is served: the address, the certificate and its key (PEM), limits, access.

    `port` 0 takes a free one. `advertised` is the host that clients are told to reach.
    Without a certificate the connection is not encrypted. With the certificates of
    `client_authority` (PEM) every client must show one that they have signed. Without
    `access` everybody may do everything. `start_standard_projections` enables the store's own
    projections, for good.
    """

    host: str = "127.0.0.1"
    port: int = 2113
    advertised: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    client_authority: bytes | None = None
    access: Access | None = None
    max_append: int = MAX_APPEND
    start_standard_projections: bool = False
    projection_limits: Limits = field(default_factory=Limits)
