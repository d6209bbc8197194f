"""The same port speaks TLS when certificates are named (GW-13)."""

import http.client
import json
import shutil
import ssl
import subprocess

import pytest

from nginx.tests.certificates import self_signed
from nginx.tests.problem_assertions import check_problem


@pytest.fixture
def certificates(tmp_path):
    """The settings that name them."""
    chain, key = map(str, self_signed(tmp_path, "localhost"))
    return {"GATEWAY_TLS_CERTIFICATE": chain, "GATEWAY_TLS_CERTIFICATE_KEY": key}


def test_tls_has_hsts_and_refuses_plain_http(start, certificates):
    gateway = start(certificates)
    context = ssl.create_default_context(cafile=certificates["GATEWAY_TLS_CERTIFICATE"])
    connection = http.client.HTTPSConnection(
        "localhost", gateway.port, context=context, timeout=10
    )
    connection.request("GET", "/api/v1/users/me")
    response = connection.getresponse()
    headers = dict(json.loads(response.read())["headers"])
    connection.close()
    assert headers["X-Forwarded-Proto"] == "https"
    hsts = "max-age=31536000; includeSubDomains"
    assert response.getheader("Strict-Transport-Security") == hsts

    plain = gateway.get("/api/v1/users/me")
    check_problem(plain, 426, "upgrade_required")
    assert plain.one("Upgrade") == "TLS/1.2, HTTP/1.1"
    assert "upgrade" in plain.all("Connection")
    assert gateway.users.requests == 1


def test_tls_begins_with_1_2(start, certificates):
    if not shutil.which("openssl"):
        pytest.skip("NO OPENSSL PROGRAM HERE: old versions of TLS were not tried")
    gateway = start(certificates)
    expected = {
        "1_1": "alert protocol version",
        "1_2": "Protocol version: TLSv1.2",
        "1_3": "Protocol version: TLSv1.3",
    }
    for version, text in expected.items():
        command = f"openssl s_client -brief -connect 127.0.0.1:{gateway.port}"
        words = [*command.split(), f"-tls{version}", "-cipher", "ALL@SECLEVEL=0"]
        done = subprocess.run(words, input="", capture_output=True, text=True)
        assert text in done.stderr, version
