"""Certificates for the tests' servers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from devstack.programs import find


def self_signed(path: Path, name: str) -> Path:
    """Return a self-signed certificate for `name`, such as `DNS:host.test` or `IP:127.0.0.1`, and its key."""
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    named = ["-subj", "/CN=test", "-addext", f"subjectAltName={name}", "-keyout", str(path), "-out", str(path)]
    subprocess.run([find("openssl"), "req", *made, *named], check=True, capture_output=True)
    return path
