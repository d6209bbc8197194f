"""The requests that gunicorn hands over. The test client makes others."""

import encodings
import json
import socket
from io import BytesIO

import pytest
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer, StaticHTMLRenderer
from rest_framework.request import Request as APIRequest

from shared.api.negotiation import JSON, PROBLEM, JSONNegotiation
from shared.wsgi import TOO_LONG, Handler, Request

STRANGE = [
    "a/b;x*0=a;x*=b",
    "application/json;x*=charset-of-a-client''a",
    "application/json;x*=base64''a",
    'a/b;"' + ";" * 8000,
]


def request(**environ):
    return Request(RequestFactory()._base_environ(**environ))


@pytest.mark.parametrize("header", STRANGE)
def test_a_media_type_with_parameters_that_no_client_sends_is_none(header):
    """INP-01. Python keeps the name of every charset that it is asked for."""
    known = {*encodings._cache}
    sent = request(CONTENT_TYPE=header, HTTP_ACCEPT=f"{header}, application/json")
    assert (sent.content_type, sent.META["CONTENT_TYPE"]) == ("", "")
    accepted = JSONNegotiation().get_accept_list(APIRequest(sent))
    assert accepted == ["application/json"]
    assert {*encodings._cache} == known


def test_an_ordinary_media_type_stays():
    sent = request(
        CONTENT_TYPE="Application/JSON; charset=utf-8", HTTP_ACCEPT="*/*;q=1"
    )
    assert sent.content_type == "application/json"
    assert JSONNegotiation().get_accept_list(APIRequest(sent)) == ["*/*;q=1"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (PROBLEM, JSON),
        (f"{PROBLEM}, text/html", "text/html"),
        (f"{PROBLEM}, text/html;q=0.5, {JSON}", JSON),
    ],
)
def test_another_type_that_a_client_names_goes_before_that_of_problems(accept, chosen):
    sent = APIRequest(request(HTTP_ACCEPT=accept))
    renderers = [JSONRenderer(), StaticHTMLRenderer()]
    found, media_type = JSONNegotiation().select_renderer(sent, renderers)
    assert (found.media_type, media_type) == (chosen, chosen)


def test_no_cookie_is_unquoted():
    """The last of a name counts, as in Django."""
    sent = request(HTTP_COOKIE=r'a=1; b="\101\""; none; a = 2; c==')
    assert sent.COOKIES == {"a": "2", "b": r'"\101\""', "c": "="}


def test_a_name_with_another_space_is_another_cookie():
    """To browsers too: a sibling domain must not set the one of ours by it."""
    names = "a=1; \u2003a=2; a\u2003=3; \x85a=4"
    assert request(HTTP_COOKIE=names.encode().decode("latin-1")).COOKIES["a"] == "1"


def test_a_multipart_form_is_refused():
    sent = request(
        REQUEST_METHOD="POST", CONTENT_TYPE="multipart/form-data; boundary=b"
    )
    with pytest.raises(MultiPartParserError):
        assert sent.POST


def test_a_view_of_your_own_may_take_files_all_the_same():
    body = (
        b"--b\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\nz\r\n--b--"
    )
    sent = request(
        REQUEST_METHOD="POST",
        CONTENT_TYPE="multipart/form-data; boundary=b",
        CONTENT_LENGTH=len(body),
        **{"wsgi.input": BytesIO(body)},
    )
    [file] = APIRequest(sent, parsers=[MultiPartParser()]).FILES.values()
    assert file.read() == b"z"


def send(body, method="POST", path="notes", **environ):
    """The status and the body of the answer, and the octets that were read."""
    stream, lines = BytesIO(body), []
    environ |= {"PATH_INFO": f"/api/v1/test/{path}", "wsgi.input": stream}
    sent = request(REQUEST_METHOD=method, CONTENT_TYPE="application/json", **environ)
    answer = Handler()(sent.environ, lambda line, headers: lines.append(line))
    members = json.loads(b"".join(answer) or b"{}")
    members.pop("request_id", None)
    return int(lines[0].split()[0]), members, stream.tell()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"text": "a"}', 200),
        (b'{"text": "a"', 400),
        (b"", 400),
        (b'{"text": "a"}'.ljust(64 * 1024 + 1), 413),
    ],
    ids=["good", "bad", "empty", "large"],
)
def test_a_chunked_body_is_answered_like_one_with_a_length(body, status):
    answer = send(body, HTTP_TRANSFER_ENCODING="chunked")
    assert answer[0] == status
    assert answer == send(body, CONTENT_LENGTH=str(len(body)))


def test_of_a_chunked_body_not_more_is_read_than_can_be_taken():
    answer = send(b" " * 2 * TOO_LONG, HTTP_TRANSFER_ENCODING="chunked")
    assert answer[1]["code"] == "payload_too_large"
    assert answer[2] == TOO_LONG


@pytest.mark.parametrize(
    ("size", "method", "path", "status"),
    [
        (TOO_LONG - 1, "POST", "uploads/a", 200),
        (TOO_LONG, "POST", "uploads/a", 413),
        (2 * TOO_LONG, "POST", "uploads/a", 413),
        (2 * TOO_LONG, "GET", "health/live", 200),
    ],
)
def test_no_view_takes_the_beginning_of_a_chunked_body_for_all(
    size, method, path, status
):
    """Whatever its own limit. A view that reads no body answers."""
    answer = send(b" " * size, method, path, HTTP_TRANSFER_ENCODING="chunked")
    assert answer[0] == status
    assert answer[1].get("size", size) == size


def test_a_request_that_was_given_up_while_it_waited_reaches_no_view(monkeypatch):
    """The user has read that it failed. The body is still there to be read."""
    body, (ours, theirs) = b'{"text": "a"}', socket.socketpair()
    extra = {"gunicorn.socket": ours, "CONTENT_LENGTH": str(len(body))}
    with ours, theirs:
        theirs.sendall(body)
        assert send(body, **extra)[0] == 200
        theirs.close()
        assert send(body, **extra) == (503, {}, 0)
        monkeypatch.setattr(Handler, "done_late", ("/api/v1/test/notes",))
        assert send(body, **extra)[0] == 200
