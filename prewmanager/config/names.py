"""Names of buckets, functions and regions, as AWS has them, and of hosts."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

# S3's names of today and, with capitals and underscores, of before 2018.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
ROOT = "/"  # of a bucket
_KEYS = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_ARN = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):\d{12}:function:[A-Za-z0-9_:$-]+")
_FUNCTION = re.compile(r"(\d{12}:function:)?[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?")
# The SDK's own form: part of a host's name.
_REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_LONGEST_HOST = 253
_AMAZON = re.compile(r"\.amazonaws\.com(\.cn)?(:\d+)?$")


def bucket_name(name: str) -> str:
    """Return a bucket's name. Raises `ValueError` for one with an address or a path."""
    if _BUCKET.fullmatch(name):
        return name
    raise ValueError("must be the bucket's name alone, without an address, a path or quotes")


def source_keys(keys: str) -> str:
    """Return what keys begin with, with a slash at its end; empty for the bucket's root, which may be a slash, too.

    Raises `ValueError` for what is not one or more path segments.
    """
    bare = keys.removesuffix("/")
    if not keys.strip("/"):
        return ""
    if not _KEYS.fullmatch(bare) or {".", ".."} & set(bare.split("/")):
        raise ValueError(
            "must be the beginning of keys such as wp-content/uploads/, of letters, digits and . _ - /, or / for the "
            "bucket's root"
        )
    return f"{bare}/"


def function_name(name: str) -> str:
    """Return a function's name or ARN. Raises `ValueError` for anything else."""
    if not (_FUNCTION.fullmatch(name) or _ARN.fullmatch(name)):
        raise ValueError("must be the name of a function, such as prew-resize, or its ARN")
    return name


def region_name(name: str) -> str:
    """Return a region's name. Raises `ValueError` for one that the AWS SDK refuses."""
    if not _REGION.fullmatch(name):
        raise ValueError("must be a region, such as eu-central-1")
    return name


def host_name(name: str) -> str:
    """Return the address or name of a host. Raises `ValueError` for anything else."""
    try:
        ip_address(name)
    except ValueError:
        if len(name) > _LONGEST_HOST or not all(_LABEL.fullmatch(each) for each in name.split(".")):
            raise ValueError("must be an IP address, without brackets and port, or a host's name") from None
    return name


def host_names(names: str) -> str:
    """Return names of hosts, separated by spaces, in lower case. Raises `ValueError` for none, or one with a port."""
    try:
        listed = [host_name(name.removeprefix("[").removesuffix("]")) for name in names.split()]
    except ValueError:
        listed = []
    if not listed:
        raise ValueError("must be names without ports, separated by spaces, such as images.example.com")
    return " ".join(listed).lower()


def region_of(function: str) -> str:
    """Return the region in a function's ARN; empty for a name."""
    arn = _ARN.fullmatch(function)
    return arn[1] if arn else ""


def one_resizer(function: str | None, url: str | None, token: object) -> None:
    """Raise `ValueError` unless there is at most one resizer beside the service, and its token belongs to it."""
    if function and url:
        raise ValueError("PREW_LAMBDA_FUNCTION and PREW_RESIZER_URL are both set: unset one of them")
    if token and not url:
        raise ValueError("PREW_RESIZER_TOKEN requires PREW_RESIZER_URL: set it, or unset the token")


def is_amazons(endpoint: str | None) -> bool:
    """Whether an S3 endpoint, None for the default, is Amazon's, which shows at once what it has stored."""
    host = urlsplit(endpoint or "").netloc
    return not host or bool(_AMAZON.search(host))


def namespace_of(bucket: str, endpoint: str | None) -> str:
    """Return a bucket's name among those of all stores: Amazon has each name once, others have names of their own."""
    return bucket if is_amazons(endpoint) else f"{bucket}@{urlsplit(endpoint or '').netloc}"


Bucket = Annotated[str, AfterValidator(bucket_name)]
SourceKeys = Annotated[str, AfterValidator(source_keys)]
Function = Annotated[str, AfterValidator(function_name)]
Region = Annotated[str, AfterValidator(region_name)]
Host = Annotated[str, AfterValidator(host_name)]
Hosts = Annotated[str, AfterValidator(host_names)]
