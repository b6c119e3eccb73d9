"""Parses and checks the event of an invocation; no I/O.

The field names are those of the first source system, so that either side can be replaced: `src_key`, `src_bucket`,
`dst_bucket`, `root_folder`, `preset_name`, `rewrite_part` and `width` or `height` are required. All others have
defaults, null means the default. Unknown fields, such as those of a newer service, are left out, and the preview does
not get the fingerprint that counts them.

`also` lists companions, further previews of the same photo. Each is an object with a `preset_name` and preset fields of
its own, and may have its own `fingerprint` and `cache_control`; buckets and prefixes are those of the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_resize.errors import InvalidRequest
from prewmanager_presets import MAX_COMPANIONS, PresetError, Spec, definitions

DEFAULT_CACHE_CONTROL = "public, max-age=31536000"
MAX_KEY_BYTES = 1024  # S3's own limit, in UTF-8

_REQUEST_FIELDS = frozenset(
    {
        "src_key",
        "src_bucket",
        "dst_bucket",
        "root_folder",
        "preset_name",
        "rewrite_part",
        "fingerprint",
        "cache_control",
        "thumbhash",
        "find",
        "answer_first",
        "polish",
        "also",
        "request_id",
        "traceparent",
    }
)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,1024}")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Output:
    """One preview to render: its key and its appearance.

    Attributes:
        dst_key: The preview's key.
        fingerprint: The preset's, stored in the preview's metadata to record by which definition it was rendered. Where
            there are unknown fields it is that of the fields which are known.
        cache_control: The header with which S3 serves the preview.
        unknown: Names of fields that this version does not know, in order.
    """

    preset_name: str
    dst_key: str
    spec: Spec
    fingerprint: str
    cache_control: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerFirst:
    """Who asks serves the preview from the answer, and needs no object in S3 meanwhile.

    Attributes:
        max_bytes: The largest preview that it can serve.
        seconds: For how long after the answer.
    """

    max_bytes: int
    seconds: int


@dataclass(frozen=True)
class Polish:
    """The preview is stored already, and is replaced by one in fewer bytes; nobody waits.

    Attributes:
        etag: Of the preview to replace, in quotes; no other one is.
        source_etag: Of the photo that it was rendered from, without quotes.
        max_bytes: Only a preview of at most so many replaces it.
    """

    etag: str
    source_etag: str
    max_bytes: int


@dataclass(frozen=True)
class ResizeRequest:
    """One photo and the previews to render from it.

    Attributes:
        src_bucket: Bucket of the photo.
        src_key: Key of the photo.
        dst_bucket: Bucket of the previews.
        main: The preview that a client waits for; the answer holds its bytes.
        companions: Further previews, rendered from the same decoding.
        thumbhash: Whether the answer and the previews' metadata hold the photo's placeholder.
        find: Whether the main preview may be stored already, and is the answer then.
        answer_first: For how long the answer may precede the write of the main preview; None: the write comes first.
        polish: The main preview is replaced where that pays; None: previews are written whatever is stored.
    """

    src_bucket: str
    src_key: str
    dst_bucket: str
    main: Output
    companions: tuple[Output, ...] = ()
    thumbhash: bool = False
    find: bool = False
    answer_first: AnswerFirst | None = None
    polish: Polish | None = None

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All previews, the main one first."""
        return (self.main, *self.companions)


def parse(event: object) -> ResizeRequest:
    """Check an event and fill in the defaults.

    Raises:
        InvalidRequest: A field is missing, of the wrong type or out of bounds; the message begins with its name.
    """
    given = _object("the event", event)
    src_key = _text(given, "src_key")
    _check_key("src_key", src_key)
    main = _output(given, given)
    companions = tuple(_output(given, each) for each in _companions(given))
    if len({output.dst_key for output in (main, *companions)}) <= len(companions):
        raise InvalidRequest("also: a preset_name is given more than once")
    return ResizeRequest(
        src_bucket=_bucket(given, "src_bucket"),
        src_key=src_key,
        dst_bucket=_bucket(given, "dst_bucket"),
        main=main,
        companions=companions,
        thumbhash=_flag(given, "thumbhash"),
        find=_flag(given, "find"),
        answer_first=_answer_first(given.get("answer_first")),
        polish=_polish(given.get("polish")),
    )


def _output(given: Mapping[str, Any], own: Mapping[str, Any]) -> Output:
    """Parse one preview of the photo that `given` names; `own` has its preset fields."""
    name = _preset_name(own)
    key = preview_key(_text(given, "src_key"), _rewrite_part(given), _text(given, "root_folder"), name)
    _check_key("the preview's key", key)
    try:
        spec = Spec(**{field: own[field] for field in definitions(Spec) if field in own})
    except PresetError as error:
        raise InvalidRequest(str(error)) from error
    unknown = tuple(sorted(own.keys() - definitions(Spec).keys() - _REQUEST_FIELDS))
    stated = _header_value(own, "fingerprint", spec.fingerprint)
    return Output(
        preset_name=name,
        dst_key=key,
        spec=spec,
        unknown=unknown,
        fingerprint=spec.fingerprint if unknown else stated,
        cache_control=_header_value({**_stated(given, "cache_control"), **own}, "cache_control", DEFAULT_CACHE_CONTROL),
    )


def _companions(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    value = given.get("also", [])
    if not isinstance(value, list) or len(value) > MAX_COMPANIONS:
        raise InvalidRequest(f"also: not a list of at most {MAX_COMPANIONS} objects")
    return [_object("also", each) for each in value]


def _answer_first(value: object) -> AnswerFirst | None:
    if value is None:
        return None
    given = _object("answer_first", value)
    return AnswerFirst(*(_count("answer_first", given, name) for name in ("max_bytes", "seconds")))


def _polish(value: object) -> Polish | None:
    if value is None:
        return None
    given = _object("polish", value)
    etag, source_etag = (_header_value(given, name, "") for name in ("etag", "source_etag"))
    return Polish(etag, source_etag, _count("polish", given, "max_bytes"))


def _count(field: str, given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRequest(f"{field}: its {name}, {value!r}, is not a whole number")
    return value


def _object(name: str, value: object) -> dict[str, Any]:
    """Return an object's fields, without those that are null."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{name} is {type(value).__name__}, not an object")
    return {str(field): each for field, each in value.items() if each is not None}


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name}: {value!r} is neither true nor false")
    return value


def _stated(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: given[name]} if name in given else {}


def preview_key(src_key: str, rewrite_part: str, root_folder: str, preset_name: str) -> str:
    """Return the preview's key: the photo's, with the leading `rewrite_part` replaced by `root_folder/preset_name`.

    An empty `rewrite_part` is for photos at the bucket's root, where the previews are, too.

    Raises:
        InvalidRequest: The photo's key does not begin with `rewrite_part/`, or is a preview's.
    """
    photos = f"{rewrite_part}/" if rewrite_part else ""
    if not src_key.startswith(photos):
        raise InvalidRequest(f"src_key: {src_key!r} does not begin with rewrite_part {rewrite_part!r} and a slash")
    if re.match(rf"{re.escape(root_folder)}[/\\]", src_key):
        raise InvalidRequest(f"src_key: {src_key!r} is a preview's, below root_folder {root_folder!r}")
    return f"{root_folder}/{preset_name}/{src_key.removeprefix(photos)}"


def _rewrite_part(given: Mapping[str, Any]) -> str:
    """Return the field, which may be empty, unlike others."""
    return "" if given.get("rewrite_part") == "" else _text(given, "rewrite_part")


def _check_key(name: str, key: str) -> None:
    """Reject keys that S3 does not store, and keys that its clients would silently change (`a//b`, `a/../b`)."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name}: {key!r} is not Unicode text") from error
    if size > MAX_KEY_BYTES:
        raise InvalidRequest(f"{name}: {size} bytes, the limit is {MAX_KEY_BYTES}")
    if _CONTROL.search(key):
        raise InvalidRequest(f"{name}: {key!r} has a control character")
    if not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise InvalidRequest(f"{name}: {key!r} has a segment that is empty, . or ..")


def _preset_name(given: Mapping[str, Any]) -> str:
    name = _text(given, "preset_name")
    if "/" in name:
        raise InvalidRequest(f"preset_name: {name!r} has a slash")
    return name


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{name}: {value!r} is not a non-empty string")
    return value


def _bucket(given: Mapping[str, Any], name: str) -> str:
    value = _text(given, name)
    if not _BUCKET.fullmatch(value):
        raise InvalidRequest(f"{name}: {value!r} is not a bucket name")
    return value


def _header_value(given: Mapping[str, Any], name: str, default: str) -> str:
    value = _text({name: default} | dict(given), name)
    if not _HEADER_VALUE.fullmatch(value):
        raise InvalidRequest(f"{name}: {value!r} is not a valid HTTP header value")
    return value
