"""What the deployment speaks on the wire (GW-13). Needs an https address."""

import socket
import ssl

import pytest

from deploy.tests.client import ME, TIMEOUT
from deploy.tests.wire import Received


@pytest.fixture(autouse=True)
def over_tls(target):
    if not target.tls:
        pytest.skip("NOT ANSWERED: the address is plain http")


@pytest.mark.parametrize("name", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(target, name):
    with pytest.raises(OSError, match=r"(?i)alert|protocol|reset|EOF"):
        target.shake(name)


def test_without_forward_secrecy_and_authentication_nothing_is_spoken(target):
    """Of TLS 1.2; those of 1.3 all have them."""
    assert target.shake("TLSv1_2") == "TLSv1.2"
    weak = "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:@SECLEVEL=0"
    with pytest.raises(OSError, match=r"(?i)alert|reset|EOF"):
        target.shake("TLSv1_2", weak)


def test_plain_http_is_refused_and_not_redirected(target):
    """A redirect would come after the token had been read on the way."""
    with socket.create_connection((target.host, target.port), TIMEOUT) as connection:
        head = f"GET {ME} HTTP/1.1\r\nHost: {target.netloc}\r\n"
        connection.sendall(f"{head}Authorization: Bearer x\r\n\r\n".encode())
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    for answer in Received(data, True).responses():
        assert answer.status_code in (400, 426), data
        assert not answer.all("Location")


def test_browsers_use_tls_alone_and_the_certificate_is_the_hosts(target):
    """By the machine's authorities, or those that were named (--ca FILE)."""
    assert target.context.verify_mode == ssl.CERT_REQUIRED
    for path in (ME, "/nowhere", "/admin/login/"):
        line = target.ask("GET", path).one("Strict-Transport-Security")
        assert int(line.partition("max-age=")[2].partition(";")[0]) >= 31_536_000
