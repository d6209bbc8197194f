"""Headers and bodies as no client writes them: refused, or taken for what they are
(INP-01 to INP-05, GW-02). Whole requests: deploy/tests/system/test_fuzz_headers.py."""

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
from shared.api.exceptions import FormInvalid, PayloadTooLarge
from shared.api.parsers import StrictFormParser, StrictJSONParser
from shared.auth import fetch_metadata
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, nested, sendable, values

FACTORY = RequestFactory()
JSON_BODY = '{"text": "caf\u00e9 \\ud83d\\ude00", "tags": ["a", "b"], "n": [1, -2.5e3]}'
CHARSETS = ["utf-8", "UTF8", "utf_8", "utf-16", "latin-1"]
CHARSETS += ["base64", "idna", "bz2_codec"]  # which encode no text


def nearly(*good):
    """One of these values of a header, one that was changed, or any."""
    one = st.sampled_from(good)
    return st.one_of(one, one.flatmap(mutated).map(sendable), header_texts())


ORIGINS = nearly("http://testserver", "https://[::1]:8000", "null")
SITES = nearly("same-origin", "cross-site")
ADDRESSES = nearly("192.0.2.7", "fe80::1%eth0", "::ffff:192.0.2.7")
FORMS = mutated("token=a%20b&hint=x").map(str.encode)


def deep(depth, kind):
    """Between what the parser takes and what can be looked at afterwards is a gap, in
    which running out of stack would come from behind."""
    opening = "[" if kind == "[]" else '{"a":'
    return f'{{"tags": {opening * depth}"b"{kind[1] * depth}}}'.encode()


@fuzz
@given(
    body=st.one_of(
        st.binary(max_size=200),
        mutated(JSON_BODY).map(lambda text: text.encode(errors="surrogatepass")),
        values().map(lambda value: json.dumps(value).encode()),
        st.builds(deep, st.integers(0, 1100), st.sampled_from(["[]", "{}"])),
    )
)
@example(body=json.dumps({"a": nested(400)}).encode())
def test_json_is_refused_or_the_same_to_every_reader(body):
    """What is taken is UTF-8, without twins, and can be written again."""
    try:
        value = StrictJSONParser().parse(BytesIO(body), "application/json")
    except (ParseError, PayloadTooLarge):
        return
    assert str(json.loads(body)) == str(value)
    json.dumps(value, ensure_ascii=False).encode()


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
@given(origin=st.one_of(st.none(), ORIGINS), site=st.one_of(st.none(), SITES))
def test_no_page_is_ours_but_ours(origin, site):
    request = FACTORY.post("/", HTTP_HOST="testserver")
    allowed = fetch_metadata.is_from_here(request, origin, site)

    ours = (None, "http://testserver", settings.JWT_ISSUER)
    assert allowed == (site in (None, "same-origin") and origin in ours)


@fuzz
@given(real=ADDRESSES, peer=ADDRESSES)
@example(real="fe80::1%eth0", peer="::1%\x85")
def test_an_address_is_one_that_the_database_takes(real, peer):
    """PostgreSQL's inet has no scope (RFC 4007), in which anything may stand."""
    request = FACTORY.get("/", HTTP_X_REAL_IP=real, REMOTE_ADDR=peer)
    address = client_address(request)

    if address is not None:
        assert str(ipaddress.ip_address(address)) == address
        assert re.fullmatch(r"[0-9a-f.:]+", address)
