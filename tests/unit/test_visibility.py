"""What a process learns of the bucket: whether it shows at once what was written."""

from __future__ import annotations

import pytest

from prewmanager.flights.visibility import Visibility


def _at_once(visibility: Visibility) -> bool:
    return visibility.at_once


def _checks(visibility: Visibility, previews: int) -> int:
    return sum(visibility.is_due() for _ in range(previews))


def test_a_bucket_that_is_known_is_never_checked() -> None:
    visibility = Visibility(at_once=True)
    visibility.saw(at_once=False)

    assert _at_once(visibility)
    assert _checks(visibility, 1000) == 0


def test_a_bucket_that_is_not_known_is_checked_until_it_has_shown_a_preview() -> None:
    visibility = Visibility()
    assert not _at_once(visibility)
    assert _checks(visibility, 5) == 5
    visibility.saw(at_once=True)

    assert _at_once(visibility)
    assert _checks(visibility, 103) == 3  # after a hundred, each until one is looked up


@pytest.mark.fault("s3-shows-late")
def test_a_bucket_that_was_late_once_is_late_until_it_shows_one_at_once_again() -> None:
    visibility = Visibility()
    visibility.saw(at_once=True)
    visibility.saw(at_once=False)
    assert not _at_once(visibility)
    assert visibility.is_due()
    visibility.saw(at_once=True)

    assert _at_once(visibility)
    assert not visibility.is_due()
