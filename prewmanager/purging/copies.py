"""What caches have to forget, as values. No I/O.

A CDN knows previews by their tags, some by their paths too, where they were stored before there were tags; nginx knows
objects by their paths, which are previews' keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import Catalogue
from prewmanager_presets.tags import photo_tag, preset_tag

# What CloudFront wants in a path as browsers send it: it invalidates nothing by a spelling that encodes these
# (invalidation-specifying-objects.html in its guide). A * at the end would be a wildcard.
_NOT_ENCODED = "/@:;=&$+!'(),"


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of objects in caches.

    Attributes:
        tags: Those of previews that have tags.
        paths: Percent-encoded, each of which may end with a *: for those that may have none, where the CDN knows paths.
        covered: The tags of which all copies have one of these paths.
        keys: The objects' paths without their first slash, not encoded: by those nginx knows them.
        starts: How the keys of further objects begin.
    """

    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()


def together(several: Iterable[Copies]) -> Copies:
    """Return all of these, each once."""
    listed = list(several)
    return Copies(
        _once(each.tags for each in listed),
        _once(each.paths for each in listed),
        _once(each.covered for each in listed),
        _once(each.keys for each in listed),
        _once(each.starts for each in listed),
    )


def _once(several: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(several)))


def of_photo(catalogue: Catalogue, photo_key: str, *, untagged: bool) -> Copies:
    """Return the copies of a photo and of its previews in all presets; `untagged`: some may have no tags.

    Raises `InvalidKey` if the key is not below the source prefix.
    """
    previews = catalogue.of_photo(photo_key)
    keys = [each.preview_key for each in previews]
    paths = chain.from_iterable(public_paths(key) for key in keys) if untagged else ()
    tags = (photo_tag(catalogue.source_bucket, photo_key),)
    return Copies(
        tags, tuple(dict.fromkeys(paths)), tags if untagged else (), (catalogue.layout.path_key(photo_key), *keys)
    )


def of_preview(catalogue: Catalogue, preview_key: str) -> Copies:
    """Return the copies of one preview; by its tag, a CDN forgets the photo's other previews too.

    Raises `InvalidKey` for a key of no preview.
    """
    _, _, name = _parts(preview_key)
    tag = photo_tag(catalogue.source_bucket, catalogue.layout.photo_key(name))
    return Copies((tag,), tuple(public_paths(preview_key)), (tag,), (preview_key,))


def of_preset(catalogue: Catalogue, preset_name: str, prefix: str = "") -> Copies:
    """Return the copies of a preset or variant, of photos whose names begin so; CDNs that know no paths forget all.

    Raises `InvalidKey`.
    """
    start, tag = f"{catalogue.layout.previews_in(preset_name)}{prefix}", preset_tag(preset_name)
    return Copies((tag,), tuple(public_paths(start, exact=False)), (tag,), starts=(start,))


def public_paths(start: str, *, exact: bool = True) -> list[str]:
    """List the paths of a preview's key, or without `exact` of the keys that begin so.

    A format that nginx chose by `Accept` has its preset's own path. Raises `InvalidKey`.
    """
    prefix, preset, name = _parts(start)
    named = dict.fromkeys((preset, preset.partition(".")[0]))
    return [f"/{quote(f'{prefix}/{each}/{name}', _NOT_ENCODED)}{'' if exact else '*'}" for each in named]


def _parts(start: str) -> tuple[str, str, str]:
    prefix, _, rest = start.partition("/")
    preset, slash, name = rest.partition("/")
    if not slash:
        raise InvalidKey("not a preview's key")
    return prefix, preset, name
