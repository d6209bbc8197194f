"""Static files: cached, compressed, never listed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.problem_assertions import check_problem

CSS = "/static/admin/base.css"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("static")
    (folder / "static" / "admin").mkdir(parents=True)
    (folder / "static" / "admin" / "base.css").write_text("a{}" * 1000)
    (folder / "static" / "admin" / "base.0123456789ab.css").write_text("b{}")
    with running_gateway(folder) as running:
        yield running


def test_a_static_file_is_cacheable_and_compressed(gateway: Gateway) -> None:
    answer = gateway.get(CSS, Accept_Encoding="gzip")
    assert answer.status_code == 200
    assert answer.one("Content-Type") == "text/css"
    assert answer.one("Content-Encoding") == "gzip"
    assert answer.one("Cache-Control") == "public, max-age=3600"
    assert answer.one("X-Content-Type-Options") == "nosniff"
    assert answer.one("Cross-Origin-Resource-Policy") == "same-origin"
    tagged = gateway.get(CSS, If_None_Match=answer.one("ETag"))
    assert tagged.status_code == 304
    hashed = gateway.get("/static/admin/base.0123456789ab.css")
    assert hashed.one("Cache-Control") == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/admin"])
def test_a_static_folder_is_not_listed(gateway: Gateway, path: str) -> None:
    check_problem(gateway.get(path), 404, "not_found")


def test_a_precondition_that_fails_is_a_problem(gateway: Gateway) -> None:
    check_problem(gateway.get(CSS, If_Match='"no"'), 412, "precondition_failed")
    check_problem(gateway.request("POST", CSS, body=b"x"), 405, "method_not_allowed")
    # No ranges: no 416, and no arithmetic on attackers' numbers.
    for text in ("bytes=0-1,5-9", "bytes=9999-"):
        answer = gateway.get(CSS, Range=text)
        assert (answer.status_code, len(answer.content)) == (200, 3000)
