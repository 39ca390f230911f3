"""KurrentDB's clients for Node over TLS."""

from __future__ import annotations

from pathlib import Path

from tests.integration.nodes import started
from tests.support.certificates import certify
from tests.support.server import serving


def test_a_client_over_tls(package: str, tmp_path: Path) -> None:
    certify(tmp_path)
    certificate, key, authority = (tmp_path / name for name in ("tls.crt", "tls.key", "ca.crt"))
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with serving(tmp_path / "served.db", *options) as server:
        uri = f"esdb://admin:changeit@localhost:{server.port}?tls=true&tlsCAFile={authority}"
        with started("reading.mjs", package, uri) as script:
            told = script.rest()
        assert server.complaints() == ""
    assert told["forwards"] == list(range(600))
    assert told["large"] == 30
