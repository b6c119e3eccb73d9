"""`sign`: signed addresses for an application."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prewmanager.cli import app
from prewmanager.previews.signed_urls import SigningKey, signed_query
from tests.docs.shapes import is_of_shape

SETTINGS = {
    "PREW_SOURCE_BUCKET": "photos",
    "PREW_SOURCE_PREFIX": "originals",
    "PREW_PREVIEW_PREFIX": "sizes",
    "PREW_PRESETS__LARGE__WIDTH": "1600",
    "PREW_PRESETS__LARGE__DPR": "2",
}
NEW, OLD = SigningKey("2026-11", "n" * 40), SigningKey("2026-10", "o" * 40)


@pytest.fixture(name="keys_file")
def _keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# signs\n{NEW.id}:{NEW.secret}\n{OLD.id}:{OLD.secret}\n")
    return path


def run(keys_file: Path, *arguments: str) -> tuple[int, str]:
    """Run the command in this process; return its exit code, and what it printed."""
    environment = SETTINGS | {"PREW_NGINX_SIGNING_KEYS_FILE": str(keys_file)}
    done = CliRunner(env=environment).invoke(app, ["sign", *arguments])
    return done.exit_code, done.stdout or done.stderr


def test_addresses_are_printed_one_a_line_and_open_with_the_first_key(keys_file: Path) -> None:
    code, output = run(
        keys_file, "originals/a b.jpg", "originals/w/", "--preset=large", "--preset=large@2x", "--expires=4102444800"
    )
    one = signed_query("sizes/large/a b.jpg", 4102444800, NEW, "sizes")
    below = signed_query("sizes/large/w/", 4102444800, NEW, "sizes")

    assert (code, output.splitlines()) == (
        0,
        [
            f"/sizes/large/a%20b.jpg?{one}",
            f"/sizes/large@2x/a%20b.jpg?{one}",
            f"/sizes/large/w/?{below}",
            f"/sizes/large@2x/w/?{below}",
        ],
    )


def test_json_has_the_parts(keys_file: Path) -> None:
    before = int(time.time())
    code, output = run(keys_file, "originals/a.jpg", "--key=2026-10", "--for=2h", "--url=https://i.test/", "--json")
    (signed,) = json.loads(output)
    query = signed_query("originals/a.jpg", signed["expires"], OLD, "sizes")

    assert code == 0
    assert is_of_shape("sign", [signed])
    assert before + 7200 <= signed.pop("expires") <= int(time.time()) + 7200
    assert signed == {
        "photo": "originals/a.jpg",
        "preset": "",
        "path": "/originals/a.jpg",
        "query": query,
        "url": f"https://i.test/originals/a.jpg?{query}",
        "key": "2026-10",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo/a.jpg",), "photo/a.jpg: a photo's key begins with originals/"),
        (("originals/a//b",), "originals/a//b: the path has an empty"),
        (("originals/a", "--preset=larg"), "--preset larg: configured are large, large@2x"),
        (("originals/a", "--for=1w"), "--for 1w: write a number with s, m, h or d"),
        (("originals/a", "--for=0s"), "--for 0s: write"),
        (("originals/a", "--key=x"), "--key x: the file has 2026-11, 2026-10"),
        (("originals/a", "--expires=5"), "--expires 5: write a time to come"),
        (("originals/a", "--for=999999d"), "--expires 8"),
        (("originals/a", "--keys=/none"), "PREW_NGINX_SIGNING_KEYS_FILE (--keys) /none: No such file"),
        (("originals/a", f"--keys={__file__}"), "line 1 is not id:secret"),
    ],
)
def test_a_bad_argument_ends_with_2_and_what_to_write(
    keys_file: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, output = run(keys_file, *arguments)

    assert code == 2
    assert message in output


def test_the_keys_file_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREW_NGINX_SIGNING_KEYS_FILE", raising=False)

    done = CliRunner(env=SETTINGS).invoke(app, ["sign", "originals/a"])

    assert done.exit_code == 2
    assert "PREW_NGINX_SIGNING_KEYS_FILE" in done.stderr
