"""Static files: cached, never listed."""

import pytest

from nginx.tests.problem_assertions import check_problem

CSS = "/static/admin/base.css"


def test_a_static_file_is_cacheable_and_sent_as_it_is(gateway):
    """Compressed, a large one would take 0.4 MB of memory while a client reads it."""
    answer = gateway.get(CSS, Accept_Encoding="gzip")
    expected = {
        "Content-Type": "text/css",
        "Cache-Control": "public, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert answer.status_code == 200
    assert {name: answer.one(name) for name in expected} == expected
    assert not answer.all("Content-Encoding")
    assert gateway.get(CSS, If_None_Match=answer.one("ETag")).status_code == 304
    hashed = gateway.get("/static/admin/base.0123456789ab.css")
    assert hashed.one("Cache-Control") == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/admin"])
def test_a_static_folder_is_not_listed(gateway, path):
    check_problem(gateway.get(path), 404, "not_found")


def test_a_precondition_that_fails_is_a_problem(gateway):
    check_problem(gateway.get(CSS, If_Match='"no"'), 412, "precondition_failed")
    check_problem(gateway.ask("POST", CSS, body=b"x"), 405, "method_not_allowed")
    # No ranges: no 416, and no arithmetic on attackers' numbers.
    for text in ("bytes=0-1,5-9", "bytes=9999-"):
        answer = gateway.get(CSS, Range=text)
        assert (answer.status_code, len(answer.content)) == (200, 3000)
