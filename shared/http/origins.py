"""Origins, as browsers send them."""

from urllib.parse import urlsplit

DEFAULT_PORTS = {"https": ":443", "http": ":80"}


def origin_of(url: str) -> str:
    """The origin of an http(s) URL (RFC 6454 section 6.2): in lower case, and without
    the default port."""
    parts = urlsplit(url.lower())
    port = DEFAULT_PORTS.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(port)}"
