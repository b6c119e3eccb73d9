"""The command line, as a user runs it."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from devstack.programs import find
from tests.docs.shapes import is_of_shape

GOOD = {"PREW_SOURCE_BUCKET": "photos", "PREW_PRESETS__CARD__WIDTH": "720", "PREW_PRESETS__THUMB__HEIGHT": "90"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `prewmanager` with exactly this environment."""
    return subprocess.run(
        [find("prewmanager"), *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_presets_as_json() -> None:
    done = run("presets", "--json", **GOOD)
    card, thumb = json.loads(done.stdout)

    assert done.returncode == 0
    assert (card["name"], card["width"], card["fit"]) == ("card", 720, "cover")
    assert (thumb["name"], thumb["width"], thumb["height"]) == ("thumb", None, 90)
    assert card["fingerprint"] != thumb["fingerprint"]


def test_a_photo_for_doctor_is_a_photos_key() -> None:
    done = run("doctor", "--photo=a.jpg", **GOOD)

    assert done.returncode == 2
    assert "--photo: a photo's key begins with photo/" in " ".join(done.stderr.replace("│", "").split())


def test_presets_contain_their_variants() -> None:
    auto = {
        "PREW_PRESETS__CARD__FORMAT": "auto",
        "PREW_PRESETS__CARD__DPR": "2",
        "PREW_PRESETS__CARD__AVIF_QUALITY": "40",
    }
    printed = json.loads(run("presets", "--json", **GOOD, **auto).stdout)
    card, thumb = printed

    assert is_of_shape("presets", printed)
    inside = {each["name"]: each for each in card["variants"]}

    assert (card["format"], card["dpr"], card["avif_quality"]) == ("auto", [2], 40)
    assert list(inside) == ["card", "card.avif", "card.webp", "card@2x", "card@2x.avif", "card@2x.webp"]
    assert (inside["card@2x.avif"]["width"], inside["card@2x.avif"]["format"]) == (1440, "avif")
    assert card["fingerprint"] == inside["card"]["fingerprint"]
    assert len({each["fingerprint"] for each in inside.values()}) == 6
    assert [each["name"] for each in thumb["variants"]] == ["thumb"]


def test_presets_as_a_table() -> None:
    done = run("presets", **GOOD, COLUMNS="200", PREW_PRESETS__CARD__DPR="2", PREW_PRESETS__THUMB__BLUR="2.5")

    assert done.returncode == 0
    assert "card@2x" in done.stdout
    assert "1440" in done.stdout
    assert "blur 2.5" in done.stdout
    assert "fingerprint" in done.stdout


def test_presets_in_a_pipe_are_whole() -> None:
    hero = {
        "PREW_PRESETS__HERO_OF_THE_FRONT_PAGE__WIDTH": "1600",
        "PREW_PRESETS__HERO_OF_THE_FRONT_PAGE__FORMAT": "auto",
    }
    lines = run("presets", **GOOD, **hero).stdout.splitlines()

    assert sum("hero_of_the_front_page.avif" in line for line in lines) == 1


@pytest.mark.fault("settings-invalid")
def test_invalid_settings_abort_startup_with_one_line() -> None:
    done = run("serve", **GOOD, PREW_LOCK_TTL="10")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("prewmanager: PREW_LOCK_TTL=10 must be longer than PREW_INVOKE_TIMEOUT=15")


@pytest.mark.fault("port-in-use")
def test_a_port_in_use_aborts_startup_with_one_line_that_names_the_variables() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = run("serve", **GOOD, PREW_HOST="127.0.0.1", PREW_PORT=str(port))

    assert done.returncode == 2
    assert (
        done.stderr == f"prewmanager: cannot listen on PREW_HOST=127.0.0.1 PREW_PORT={port}: Address already in use\n"
    )


def test_without_arguments_the_commands_are_listed() -> None:
    done = run()

    assert "serve" in done.stdout + done.stderr
