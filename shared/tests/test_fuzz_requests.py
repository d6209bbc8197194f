"""Headers and bodies as no client writes them: refused with a 4xx of ours, or taken for
what they are, and never a fault (INP-01 to INP-05, GW-02, LOG-03)."""

import ipaddress
import json
import re
from io import BytesIO

from django.conf import settings
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from shared.api.client_ip import client_address
from shared.api.exceptions import (
    FormInvalid,
    PayloadTooLarge,
)
from shared.api.parsers import StrictFormParser, StrictJSONParser
from shared.auth import fetch_metadata
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, nested, sendable, values
from shared.wsgi import Handler

FACTORY = RequestFactory()
JSON_BODY = '{"text": "caf\u00e9 \\ud83d\\ude00", "tags": ["a", "b"], "n": [1, -2.5e3]}'
CHARSETS = ["utf-8", "UTF8", "utf_8", "utf-16", "latin-1"]
CHARSETS += ["base64", "idna", "bz2_codec"]  # which encode no text
# Of each header what is nearly right.
NEARLY = {
    "CONTENT_TYPE": [
        "application/json; charset=utf-8",
        "application/json; charset*=utf-8''utf-8",
        'multipart/form-data; boundary="x"',
    ],
    "HTTP_ACCEPT": ["application/json;q=0.9, text/*;level*=utf-8''1, */*;q=0"],
    "HTTP_AUTHORIZATION": ["Bearer aaa.bbb.ccc", "Basic YWRhOmFkYQ=="],
    "HTTP_COOKIE": ["refresh_token=a.b.c; theme=dark"],
    "HTTP_HOST": ["testserver", "[::1]:8000"],
    "HTTP_ORIGIN": ["http://testserver", "https://[::1]:8000", "null"],
    "HTTP_SEC_FETCH_SITE": ["same-origin", "cross-site"],
    "HTTP_X_FORWARDED_PROTO": ["https"],
    "HTTP_X_INTERNAL_API_KEY": ["auth-key-" * 6],
    "HTTP_X_REAL_IP": ["192.0.2.7", "fe80::1%eth0", "::ffff:192.0.2.7"],
    "HTTP_X_REQUEST_ID": ["f3b1c0d29e4a4c1d"],
    "HTTP_USER_AGENT": ["curl/8.5.0 (\xe9; \x1b[31m)"],
    "CONTENT_LENGTH": ["2", "-1", "99"],
    "QUERY_STRING": ["a=%41&b=%ff"],
}


def nearly(name):
    """A value for this header: a good one that was changed, or any."""
    changed = st.sampled_from(NEARLY[name]).flatmap(mutated).map(sendable)
    return st.one_of(st.sampled_from(NEARLY[name]), changed, header_texts())


ENVIRONS = st.fixed_dictionaries({}, optional={name: nearly(name) for name in NEARLY})
PATHS = ["notes", "credentials", "me", "internal", "health/live", "nowhere"]


def asked(path, method="POST", body=b"", **headers):
    """Status, headers and body of the answer, by the very application gunicorn runs."""
    environ = FACTORY.generic(method, f"/api/v1/test/{path}", body).environ
    # Django's own stream fails where a Content-Length says more than there is.
    environ |= {"HTTP_HOST": "testserver", "wsgi.input": BytesIO(body)}
    environ |= {"CONTENT_TYPE": "application/json"} | headers
    answer = {}

    def start(status, fields):
        answer.update(status=int(status[:3]), headers=dict(fields))

    answer["body"] = b"".join(Handler()(environ, start))
    return answer


BASE64 = {
    "CONTENT_TYPE": "application/json; charset=base64",
    "QUERY_STRING": "a=%41",
    "HTTP_ACCEPT": "application/*",
}


@fuzz
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "OPTIONS"]),
    headers=ENVIRONS,
)
@example("notes", "POST", {"CONTENT_TYPE": "application/json; charset*=nonsense''x"})
@example("notes", "POST", {"CONTENT_TYPE": "application/json; charset*=idna''x"})
@example("notes", "POST", BASE64)
def test_no_header_is_a_fault_of_ours(path, method, headers):
    answer = asked(path, method, b"{}", **headers)

    assert answer["status"] < 500
    assert "\n" not in "".join(answer["headers"].values())
    if answer["status"] >= 400:
        assert answer["headers"]["Content-Type"] == "application/problem+json"
        assert json.loads(answer["body"])["status"] == answer["status"]


def deep(depth, kind):
    """Between what the parser takes and what can be looked at afterwards is a gap, in
    which running out of stack would come from behind."""
    opening = "[" if kind == "[]" else '{"a":'
    tags = opening * depth + '"b"' + kind[1] * depth
    return f'{{"text": "a", "tags": {tags}}}'.encode()


BYTES = st.one_of(
    st.binary(max_size=200),
    mutated(JSON_BODY).map(lambda text: text.encode(errors="surrogatepass")),
    values().map(lambda value: json.dumps(value).encode()),
    st.builds(deep, st.integers(0, 1100), st.sampled_from(["[]", "{}"])),
)


@fuzz
@given(path=st.sampled_from(["credentials", "notes"]), body=BYTES)
def test_no_body_is_a_fault_of_ours(path, body):
    assert asked(path, body=body)["status"] in (200, 400)


@fuzz
@given(
    value=values(),
    name=st.sampled_from(["email", "username", "password"]),
    path=st.sampled_from(["credentials", "notes"]),
)
def test_no_value_in_place_of_a_string_is_a_fault_of_ours(value, name, path):
    good = {"email": "a", "username": "b", "password": "c", "text": "d"}
    answer = asked(path, body=json.dumps({**good, name: value, "tags": value}).encode())

    assert answer["status"] in (200, 400)
    if path == "credentials" and not isinstance(value, str):
        assert answer["status"] == 400  # INP-05: nothing is made into a string


@fuzz
@given(body=BYTES)
@example(body=json.dumps({"a": nested(400)}).encode())
def test_json_is_refused_or_the_same_to_every_reader(body):
    """What is taken is UTF-8, without twins, and can be written again."""
    try:
        value = StrictJSONParser().parse(BytesIO(body), "application/json")
    except (ParseError, PayloadTooLarge):
        return
    assert str(json.loads(body)) == str(value)
    json.dumps(value, ensure_ascii=False).encode()


FORMS = mutated("token=a%20b&hint=x").map(str.encode)


@fuzz
@given(body=st.one_of(st.binary(max_size=200), FORMS))
def test_a_form_is_refused_or_has_each_field_once(body):
    try:
        value = StrictFormParser().parse(BytesIO(body), StrictFormParser.media_type)
    except FormInvalid:
        return
    assert body.count(b"=") >= len(value)
    assert all(name and isinstance(text, str) for name, text in value.items())


@fuzz
@given(
    charset=st.one_of(st.sampled_from(CHARSETS), header_texts()),
    form=st.sampled_from(["charset={}", 'charset="{}"', "Charset = {}"]),
)
def test_a_charset_is_utf_8_or_refused(charset, form):
    media_type = "application/json; " + form.format(charset)
    try:
        StrictJSONParser().parse(BytesIO(b"{}"), media_type)
    except UnsupportedMediaType:
        return
    assert re.search(r"utf-?8|^[ ;\"(]*$", charset.lower()) or ";" in charset


@fuzz
@given(
    origin=st.one_of(st.none(), nearly("HTTP_ORIGIN")),
    site=st.one_of(st.none(), nearly("HTTP_SEC_FETCH_SITE")),
)
def test_no_page_is_ours_but_ours(origin, site):
    request = FACTORY.post("/", HTTP_HOST="testserver")
    allowed = fetch_metadata.is_from_here(request, origin, site)

    ours = (None, "http://testserver", settings.JWT_ISSUER)
    assert allowed == (site in (None, "same-origin") and origin in ours)


@fuzz
@given(real=nearly("HTTP_X_REAL_IP"), peer=nearly("HTTP_X_REAL_IP"))
@example(real="fe80::1%eth0", peer="::1%\x85")
def test_an_address_is_one_that_the_database_takes(real, peer):
    """PostgreSQL's inet has no scope (RFC 4007), in which anything may stand."""
    request = FACTORY.get("/", HTTP_X_REAL_IP=real, REMOTE_ADDR=peer)
    address = client_address(request)

    if address is not None:
        assert str(ipaddress.ip_address(address)) == address
        assert re.fullmatch(r"[0-9a-f.:]+", address)
