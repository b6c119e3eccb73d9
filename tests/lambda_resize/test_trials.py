"""Malicious and damaged uploads: mutants in every run, other projects' test images on request."""

from __future__ import annotations

import os

import pytest

from benchmarks.images import corpora, fuzz, trials
from benchmarks.images.trials import Trial
from prewmanager_presets import Spec

MUTANTS = 400


def test_the_seeds_of_the_mutants_can_be_decoded() -> None:
    outcome = trials.run(Trial("seed", name, data) for name, data in fuzz.seeds().items())
    assert outcome.count("preview") == len(fuzz.seeds()), outcome.errors


def test_mutants_get_a_preview_or_the_expected_failure() -> None:
    outcome = trials.run(fuzz.mutated(MUTANTS))
    assert list(trials.failures(outcome)) == []
    assert sum(outcome.kinds.values()) == MUTANTS
    assert outcome.count("preview") > MUTANTS / 10
    assert outcome.count("corrupt") > MUTANTS / 10
    assert outcome.peak_mb < 500


def test_an_unexpected_error_is_reported() -> None:
    """An impossible spec makes the core raise an error that is no failure of its own."""
    broken = Spec(width=10)
    object.__setattr__(broken, "format", "bmp")
    outcome = trials.run([Trial("seed", "surprise", fuzz.seeds()["png"], broken)])
    assert outcome.count("internal") == 1
    assert "KeyError" in next(trials.failures(outcome))


@pytest.mark.timeout(900)
@pytest.mark.skipif("PREW_TEST_CORPORA" not in os.environ, reason="takes minutes and 50 MB: `make test-corpora`")
def test_the_test_images_of_others_get_a_preview_or_the_expected_failure() -> None:
    try:
        outcome = corpora.run()
    except corpora.NoCorpora as error:
        pytest.skip(str(error))
    assert list(trials.failures(outcome)) == []
    assert [error for error in outcome.errors.values() if "bytes of zeros" in error] == []
    assert outcome.count("preview") > 500
    assert outcome.peak_mb < 1000
