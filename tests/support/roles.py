"""Stands for the three endpoints that give a role's credentials, as AWS documents them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from tests.support.serving import QuietHandler, serving_http

ROLE_ARN, IDENTITY, CONTAINER_TOKEN, INSTANCE_TOKEN = "arn:aws:iam::1:role/nginx", "ey.J.x", "container-token", "AQA=="
_STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:default:nginx</SubjectFromWebIdentityToken>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/nginx/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>{Token}</SessionToken>
      <SecretAccessKey>{SecretAccessKey}</SecretAccessKey>
      <Expiration>{Expiration}</Expiration>
      <AccessKeyId>{AccessKeyId}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Roles:
    """The endpoints at one address; each answer has new credentials, numbered, for `lasts_s`. `up` False is 503."""

    url: str = ""
    lasts_s: float = 3600
    up: bool = True
    given: list[float] = field(default_factory=list)  # when each ends, in Unix seconds

    def credentials(self) -> dict[str, str]:
        """Give the next ones."""
        self.given.append(int(time.time() + self.lasts_s))
        return {
            "Code": "Success",
            "AccessKeyId": f"ASIA{len(self.given)}",
            "SecretAccessKey": "s/e+c=ret",
            "Token": f"to/ken+{len(self.given)}==",
            "Expiration": datetime.fromtimestamp(self.given[-1], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, str]:
        """Answer as AWS's endpoint at this path does."""
        instance = "/latest/meta-data/iam/security-credentials/"
        if not self.up:
            return 503, ""
        if (method, path) == ("PUT", "/latest/api/token"):
            return (
                (200, INSTANCE_TOKEN)
                if headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
                else (400, "")
            )
        if path.startswith(instance):
            if method != "GET" or headers.get("x-aws-ec2-metadata-token") != INSTANCE_TOKEN:
                return 401, ""
            return 200, json.dumps(self.credentials(), indent=2) if path == f"{instance}nginx" else "nginx"
        if (method, path) == ("GET", "/v1/credentials"):
            authorized = headers.get("authorization") == CONTAINER_TOKEN
            return (200, json.dumps(self.credentials())) if authorized else (403, "")
        return (200, _STS.format(**self.credentials())) if _asks_sts(method, path, body) else (400, "<ErrorResponse/>")


def _asks_sts(method: str, path: str, body: str) -> bool:
    form = {name: values[0] for name, values in parse_qs(body).items()}
    session = form.pop("RoleSessionName", "")
    expected = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE_ARN}
    return (method, path) == ("POST", "/") and bool(session) and form == {**expected, "WebIdentityToken": IDENTITY}


@contextmanager
def serving_roles() -> Iterator[Roles]:
    """Serve the endpoints inside the block."""
    roles = Roles()

    class Handler(QuietHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, text = roles.answer(self.command, self.path, headers, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = _answer

    handler: type[BaseHTTPRequestHandler] = Handler
    with serving_http(handler) as server:
        roles.url = server.url
        yield roles
