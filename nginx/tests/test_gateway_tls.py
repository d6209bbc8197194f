"""The same port speaks TLS when certificates are named (GW-13)."""

import http.client
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from nginx.tests.certificates import self_signed
from nginx.tests.gateway_stack import running_gateway
from nginx.tests.problem_assertions import check_problem


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A relative path starts at its folder."""
    key = self_signed(tmp_path, "localhost")[1]
    file = tmp_path / ".env"
    file.write_text(
        f"GATEWAY_TLS_CERTIFICATE=chain.pem\nGATEWAY_TLS_CERTIFICATE_KEY={key}\n"
    )
    return file


def test_tls_has_hsts_and_refuses_plain_http(tmp_path: Path, env_file: Path) -> None:
    with running_gateway(tmp_path, {}, f"--env-file={env_file}") as gateway:
        context = ssl.create_default_context(cafile=tmp_path / "chain.pem")
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


def test_tls_begins_with_1_2(tmp_path: Path, env_file: Path) -> None:
    openssl = [shutil.which("openssl"), "s_client", "-brief", "-connect"]
    if not openssl[0]:
        pytest.skip("NO OPENSSL PROGRAM HERE: old versions of TLS were not tried")
    expected = {
        "1_1": "alert protocol version",
        "1_2": "Protocol version: TLSv1.2",
        "1_3": "Protocol version: TLSv1.3",
    }
    with running_gateway(tmp_path, {}, f"--env-file={env_file}") as gateway:
        for version, text in expected.items():
            done = subprocess.run(
                [*openssl, f"127.0.0.1:{gateway.port}", f"-tls{version}", "-cipher",
                 "ALL@SECLEVEL=0"],
                input="", capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert text in done.stderr, version
