"""Bodies that are not what they should be (INP-01, INP-02, INP-04)."""

import pytest

# Not well-formed JSON as RFC 8259, RFC 7493 and we understand it: `invalid_json`.
MALFORMED = [
    pytest.param(b"{", id="cut-off"),
    pytest.param(b"x", id="bare-word"),
    pytest.param(b" ", id="blank"),
    pytest.param(b"{'a': 1}", id="single-quotes"),
    pytest.param(b'{"a": 1,}', id="trailing-comma"),
    pytest.param(b'{"a": 1} x', id="trailing-garbage"),
    pytest.param(b'{"a": 1}{"a": 2}', id="two-documents"),
    pytest.param(b"[" * 5000, id="5000-brackets"),
    pytest.param(b"[" * 5000 + b"]" * 5000, id="5000-brackets-closed"),
    pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, id="5000-objects"),
    pytest.param(b"\xff\xfe", id="not-utf-8"),
    pytest.param(b'{"text": "\xe9"}', id="latin-1"),
    pytest.param('{"text": "a"}'.encode("utf-16"), id="utf-16"),
    pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
    pytest.param(b'{"text": "\\ud800"}', id="lone-surrogate"),
    pytest.param(b'{"text": "\\uDFFFx"}', id="lone-low-surrogate"),
    pytest.param(b'{"\\ud800": 1}', id="lone-surrogate-as-key"),
    pytest.param(b'{"text": "a\0b"}', id="raw-nul"),
    pytest.param(b"\0", id="nul"),
    pytest.param(b'{"text": NaN}', id="nan"),
    pytest.param(b'{"text": -Infinity}', id="infinity"),
    pytest.param(b'{"text": ' + b"9" * 5000 + b"}", id="5000-digits"),
    pytest.param(b'{"text": "a", "text": "b"}', id="twin-keys"),
    pytest.param(b'{"text": "a", "tags": [{"x": 1, "x": 1}]}', id="twin-keys-inside"),
    pytest.param(b'{"te\\u0078t": "a", "text": "b"}', id="twin-keys-by-escape"),
]

# JSON, and no object.
NO_OBJECTS = [
    pytest.param(b"[]", id="list"),
    pytest.param(b'["a"]', id="list-of-strings"),
    pytest.param(b'"x"', id="string"),
    pytest.param(b"null", id="null"),
    pytest.param(b"5", id="number"),
    pytest.param(b"1e999", id="huge-number"),
    pytest.param(b"true", id="bool"),
    pytest.param(b"{}", id="empty-object"),
]

TYPES = [
    pytest.param("application/x-www-form-urlencoded", id="form"),
    pytest.param("multipart/form-data; boundary=x", id="multipart"),
    pytest.param("text/plain", id="text"),
    pytest.param("text/json", id="text-json"),
    pytest.param("application/xml", id="xml"),
    pytest.param("application/jsonp", id="jsonp"),
    pytest.param("application/json; charset=utf-16", id="utf-16"),
    pytest.param("application/json; charset=iso-8859-1", id="latin-1"),
    pytest.param("application/json; charset=", id="no-charset"),
    pytest.param("", id="none"),
    pytest.param("garbage", id="garbage"),
    pytest.param("a/b/c; d", id="slashes"),
    pytest.param("*/*", id="any"),
    pytest.param("application/*; charset=utf-8", id="any-application"),
]
