"""Removes secrets from texts that libraries log: they may repeat a setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

_HIDDEN = "***"
_SECRET_NAMES = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|OTLP(?:_[A-Z]+)?_HEADERS", re.IGNORECASE)
# The user's part of an address, which ends at its last @: `redis://user:password@host`.
_LOGIN = re.compile(r"(?<=://)[^/\s'\"]*(?=@)")
_SIGNATURE = re.compile(r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)=|Authorization['\"]?\s*[:=]\s*)[^&\r\n]+")
_SHORTEST = 4  # letters: a shorter one is found in every other word


class Redaction:
    """Replaces secrets by asterisks: those it was given, the logins of addresses, and AWS's signatures."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: one may be part of another.
        known = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Redaction:
        """Know the secrets in these variables, by the variables' names, and passwords in addresses."""
        return cls(_secrets(environment))

    def applied(self, text: str) -> str:
        """Return the text without secrets."""
        text = self._known.sub(_HIDDEN, text) if self._known else text
        return _SIGNATURE.sub(rf"\1{_HIDDEN}", _LOGIN.sub(_HIDDEN, text))


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _SECRET_NAMES.search(name) and not name.endswith("_FILE"):
            yield value
        for login in _LOGIN.findall(value):
            password = login.partition(":")[2]
            yield from (password, unquote(password))
