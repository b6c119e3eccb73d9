"""Signs the addresses that nginx opens to their holder alone. No I/O.

docs/decisions/0042-signed-urls.md has the rules, `tests/vectors/signed_urls.json` examples for every implementation;
nginx's is `nginx/snippets/signed_urls.js`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import quote

from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import decode_path

FIRST_EXPIRY, LAST_EXPIRY = 10**9, 10**10 - 1  # ten digits: until the year 2286
MAX_SEGMENTS = 99  # of a signed prefix
_KEY = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,32}):(?P<secret>[!-~]{32,256})")
_VARIANT = re.compile(r"[@.-].*$")
_DOMAIN = "prewmanager"  # no other use of the same secret signs a text that begins so


@dataclass(frozen=True)
class SigningKey:
    """A secret that nginx has too, under this id."""

    id: str
    secret: str


def signing_keys(text: str) -> list[SigningKey]:
    """Return the keys of a keys file: lines `id:secret`, empty lines and those that begin with `#` apart.

    Raises `ValueError`, which names the line and never the secret, if a line is neither or repeats an id, or none has a
    key.
    """
    found: dict[str, SigningKey] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        key = _KEY.fullmatch(line)
        if key is None:
            raise ValueError(f"line {number} is not id:secret, with a secret of 32 to 256 characters without spaces")
        if key["id"] in found:
            raise ValueError(f"line {number} repeats the id {key['id']}")
        found[key["id"]] = SigningKey(key["id"], key["secret"])
    if not found:
        raise ValueError("there is no key in it")
    return list(found.values())


def path_of(key: str) -> str:
    """Return the path of the object with this key, or of a prefix, which ends in a slash.

    Raises `InvalidKey` if no request can name it.
    """
    path = "/" + quote(key, safe="/@")
    decode_path(path.removesuffix("/"))
    return path


def signed_query(key: str, expires: int, signing_key: SigningKey, preview_prefix: str, source: str = "") -> str:
    """Return the query that opens the object with this key until `expires`, in Unix seconds.

    A key with a slash at its end is a prefix: its query opens every object whose key begins so. A preset's signature is
    that of all its variants. `source` "" is the main one. Raises `InvalidKey` if no request can name the key.
    """
    path_of(key)
    if not FIRST_EXPIRY <= expires <= LAST_EXPIRY:
        raise ValueError("an expiry is a time in Unix seconds, of ten digits")
    segments = key.count("/") if key.endswith("/") else 0
    if segments > MAX_SEGMENTS:
        raise InvalidKey(f"a signed prefix has at most {MAX_SEGMENTS} segments")
    scope, parameter = ("prefix", f"&p={segments}") if segments else ("key", "")
    domain = f"{_DOMAIN} {source}" if source else _DOMAIN
    text = f"{domain}\n{expires}\n{signing_key.id}\n{scope}\n{_subject(key, preview_prefix)}"
    digest = hmac.digest(signing_key.secret.encode(), text.encode(), hashlib.sha256)
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"e={expires}&k={signing_key.id}{parameter}&s={signature}"


def _subject(key: str, preview_prefix: str) -> str:
    """Return a key, that of a preview without its variant."""
    segments = key.split("/")
    if segments[0] == preview_prefix:
        segments[1] = _VARIANT.sub("", segments[1])
    return "/".join(segments)
