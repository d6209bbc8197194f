"""The same port speaks TLS when certificates are named (GW-13)."""

import pytest

from deploy.tests.wire import WireClient
from nginx.tests.certificates import self_signed
from nginx.tests.problem_assertions import check_problem


@pytest.fixture
def gateway(start, tmp_path):
    chain, key = map(str, self_signed(tmp_path, "localhost"))
    tls = {"GATEWAY_TLS_CERTIFICATE": chain, "GATEWAY_TLS_CERTIFICATE_KEY": key}
    return start(tls)


def test_tls_has_hsts_and_refuses_plain_http(gateway, tmp_path):
    url, chain = f"https://localhost:{gateway.port}", tmp_path / "chain.pem"
    answer = WireClient(url, str(chain)).ask("GET", "/api/v1/users/me")
    assert dict(answer.json()["headers"])["X-Forwarded-Proto"] == "https"
    hsts = "max-age=31536000; includeSubDomains"
    assert answer.one("Strict-Transport-Security") == hsts

    plain = gateway.get("/api/v1/users/me")
    check_problem(plain, 426, "upgrade_required")
    assert plain.one("Upgrade") == "TLS/1.2, HTTP/1.1"
    assert "upgrade" in plain.all("Connection")
    assert gateway.users.requests == 1


def test_tls_begins_with_1_2(gateway):
    with pytest.raises(OSError, match=r"(?i)alert protocol version"):
        gateway.shake("TLSv1_1")
    for version in ("TLSv1_2", "TLSv1_3"):
        assert gateway.shake(version) == version.replace("_", ".")
