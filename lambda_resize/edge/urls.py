"""The spellings of an image's URL: what browsers and templates write after `s=`, as the URL that is fetched. No I/O.

infra/viewer.js does the same for the cache key, so both must agree: a test compares them on arbitrary text.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from lambda_resize.edge.errors import BadQuery, Refused

# CloudFront's limit for a whole request's URL, in bytes
# (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html).
MAX_URL_CHARACTERS = 8192

_PLAIN_SCHEME = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ENCODED_SCHEME = re.compile(rb"https?%(25)*3A", re.IGNORECASE)
_ROUNDS = 3
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# In a URL that is not encoded itself, an escaped # or + is of a name: encodeURI leaves both as they are, and to S3 a
# plain + is a blank.
_ESCAPE_IN_PLAIN = re.compile(rb"%(?!23|2[Bb])([0-9A-Fa-f]{2})")
# RFC 3986's characters of a URL: unreserved, reserved but brackets, which only addresses have, and the percent sign.
_NOT_PLAIN = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~:/?#@!$&'()*+,;=%-]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_BEFORE_PATH = re.compile(r"^[^:/?#]*://[^/?#]*")


def spelled(value: str) -> str:
    """Return the URL that a value of the query means, whichever way it is written.

    The value may be the URL itself, or percent-encoded once, twice or three times; one URL has one spelling here. A `+`
    is a blank where the whole value is encoded, as forms do, and itself where it is not; `%2B` and `%23` stay escaped
    there. Bytes of any encoding stay what they are.

    Raises:
        BadQuery: It is no URL with scheme and host, has control characters, or is too long.
    """
    url = value.encode(errors="surrogatepass")
    for _ in range(_ROUNDS):
        plain = _PLAIN_SCHEME.match(url)
        url = url if plain else url.replace(b"+", b" ")
        url = (_ESCAPE_IN_PLAIN if plain else _ESCAPE).sub(lambda found: bytes.fromhex(found[1].decode()), url)
        if not _ENCODED_SCHEME.match(url):
            break
    if _CONTROL.search(url):
        raise BadQuery("s: has control characters")
    text = _escaped(url)
    if len(text) > MAX_URL_CHARACTERS or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]", text):
        raise BadQuery(f"s: not a URL like https://host/path of at most {MAX_URL_CHARACTERS} characters")
    return text


def redirected(url: str, location: str) -> str:
    """Return the URL that a redirect leads to; `location` is the header as `http.client` reads it, a byte a character.

    Raises:
        Refused: It is no URL that all parsers read alike.
    """
    raw = location.encode("latin-1", errors="replace")
    if _CONTROL.search(raw) or b"\\" in raw:
        raise Refused(f"{loggable(url)}: redirects to {loggable(location)!r}")
    try:
        return _escaped(urljoin(url, _escaped(raw)).encode())
    except ValueError as error:
        raise Refused(f"{loggable(url)}: redirects to {loggable(location)!r}: {error}") from error


def loggable(url: str) -> str:
    """Return a URL for a log: without its query, which may be a signature, and at most 200 characters of it."""
    shown, query, _ = re.sub("(?i)%(25)*3f", "?", url).partition("?")
    return f"{shown[:200]}{'…' if len(shown) > 200 else ''}{'?…' if query else ''}"  # noqa: PLR2004 -- as above


def _escaped(url: bytes) -> str:
    """Percent-encode what a URL may not hold; escapes and the host in one case; without a fragment."""
    text = _NOT_PLAIN.sub(lambda found: b"%%%02X" % found[0][0], url)
    text = _ESCAPE.sub(lambda found: found[0].upper(), text)
    whole = text.decode("ascii").partition("#")[0]
    return _BEFORE_PATH.sub(lambda found: found[0].lower(), whole)
