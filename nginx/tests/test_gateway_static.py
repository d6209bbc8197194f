"""Static files: cached, compressed, never listed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.problem_assertions import check_problem


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("static")
    (folder / "static" / "admin").mkdir(parents=True)
    (folder / "static" / "admin" / "base.css").write_text("a{}" * 1000)
    (folder / "static" / "admin" / "base.0123456789ab.css").write_text("b{}")
    with running_gateway(folder) as running:
        yield running


def test_a_static_file_is_cacheable_and_compressed(gateway: Gateway) -> None:
    answer = gateway.get("/static/admin/base.css", Accept_Encoding="gzip")
    assert answer.status_code == 200
    assert answer.one("Content-Type") == "text/css"
    assert answer.one("Content-Encoding") == "gzip"
    assert answer.one("Cache-Control") == "public, max-age=3600"
    assert answer.one("X-Content-Type-Options") == "nosniff"
    assert answer.one("Cross-Origin-Resource-Policy") == "same-origin"
    tagged = gateway.get("/static/admin/base.css", If_None_Match=answer.one("ETag"))
    assert tagged.status_code == 304


def test_a_static_file_with_a_hash_in_its_name_is_immutable(gateway: Gateway) -> None:
    answer = gateway.get("/static/admin/base.0123456789ab.css")
    assert answer.one("Cache-Control") == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path", ["/static", "/static/", "/static/admin", "/static/admin/"]
)
def test_a_static_folder_is_not_listed(gateway: Gateway, path: str) -> None:
    answer = gateway.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.one("Cache-Control") == "no-store"


def test_a_static_file_takes_no_body(gateway: Gateway) -> None:
    answer = gateway.request("POST", "/static/admin/base.css", body=b"x")
    assert (answer.status_code, answer.one("Allow")) == (405, "GET, HEAD")


def test_a_part_of_a_static_file_is_not_to_be_had(gateway: Gateway) -> None:
    """No ranges: no 416, and no arithmetic on attackers' numbers."""
    answer = gateway.get("/static/admin/base.css", Range="bytes=0-1,5-9")
    assert (answer.status_code, len(answer.content)) == (200, 3000)
    assert gateway.get("/static/admin/base.css", Range="bytes=9999-").status_code == 200


def test_a_precondition_that_fails_is_a_problem(gateway: Gateway) -> None:
    answer = gateway.get("/static/admin/base.css", If_Match='"no"')
    check_problem(answer, 412, "precondition_failed")
