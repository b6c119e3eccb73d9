"""Densities by the browser's hints, `Sec-CH-DPR` and `Save-Data`, for the presets that `PREW_NGINX_HINTED` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import BUCKET_PATH, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

HINTED = {
    "PREW_NGINX_HINTED": "card@2x hero@3x hero@2x big@3x",
    "PREW_PRESETS__CARD__DPR": "2",
    "PREW_PRESETS__HERO__DPR": "2,3",
    "PREW_PRESETS__BIG__DPR": "3",
}
AVIF = "image/avif,image/webp,*/*"


@pytest.fixture(scope="module", name="www")
def _www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    folder.chmod(0o755)
    (folder / "index.html").write_text("<!doctype html>")
    return folder


@pytest.fixture(scope="module", name="nginx")
def _nginx(start: StartNginx, recorders: dict[str, str], www: Path) -> Nginx:
    """Nginx that chooses densities of card, hero and big."""
    return start({**recorders, **HINTED, "PREW_NGINX_WWW": str(www)})


@pytest.fixture(scope="module", name="negotiating")
def _negotiating(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """The same where card is auto too, with nginx's cache, for two origins."""
    more = {
        "PREW_PRESETS__CARD__FORMAT": "auto",
        "PREW_NGINX_CACHE": "on",
        "PREW_NGINX_CORS_ORIGINS": "https://a https://b",
    }
    return start({**recorders, **HINTED, **more})


def folders(bucket: Recorder) -> list[str]:
    """Return the presets' folders that S3 was asked for."""
    return [seen.target.removeprefix(f"{BUCKET_PATH}/prew/").split("/")[0] for seen in bucket.seen]


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ((None, None), ["card", "hero", "big"]),
        (("1", None), ["card", "hero", "big"]),
        (("1.0", None), ["card", "hero", "big"]),
        (("0.75", None), ["card", "hero", "big"]),
        (("1.5", None), ["card@2x", "hero@2x", "big@3x"]),
        (("2", None), ["card@2x", "hero@2x", "big@3x"]),
        (("2.0", "off"), ["card@2x", "hero@2x", "big@3x"]),
        (("2.625", None), ["card@2x", "hero@3x", "big@3x"]),
        (("3", None), ["card@2x", "hero@3x", "big@3x"]),
        (("4", None), ["card@2x", "hero@3x", "big@3x"]),
        (("10.5", None), ["card@2x", "hero@3x", "big@3x"]),
        (("2", "on"), ["card", "hero", "big"]),
        (("3", "ON"), ["card", "hero", "big"]),
        (("2x", None), ["card", "hero", "big"]),
        (("2/../x", None), ["card", "hero", "big"]),
        (("-2", None), ["card", "hero", "big"]),
    ],
)
def test_the_density_is_the_least_that_is_enough_and_for_who_saves_data_the_least(
    nginx: Nginx, bucket: Recorder, service: Recorder, hints: tuple[str | None, str | None], expected: list[str]
) -> None:
    bucket.respond = lambda _: Reply(404)
    headers = {name: value for name, value in zip(("Sec-CH-DPR", "Save-Data"), hints, strict=True) if value}

    for preset in ("card", "hero", "big"):
        answer = ask(nginx.port, f"/prew/{preset}/a%20b.jpg", headers=headers)
        assert answer.headers.get_all("Vary") == ["Sec-CH-DPR, Save-Data"]
        assert answer.headers.get_all("Accept-CH") == ["Sec-CH-DPR"]

    assert folders(bucket) == expected
    assert [seen.target for seen in service.seen] == [f"/prew/{folder}/a%20b.jpg" for folder in expected]


@pytest.mark.parametrize(
    "path", ["/prew/card@2x/a", "/prew/card.avif/a", "/prew/thumb/a", "/prew/cards/a", "/photo/prew/card/a"]
)
def test_what_names_its_variant_and_other_presets_do_not_vary(nginx: Nginx, bucket: Recorder, path: str) -> None:
    answer = ask(nginx.port, path, headers={"Sec-CH-DPR": "2"})

    assert (answer.headers["Vary"], answer.headers["Accept-CH"]) == (None, None)
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{path}"]


def test_hints_and_accept_choose_together_and_each_variant_has_its_copy(negotiating: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda seen: Reply(200, seen.target.encode(), {"ETag": f'"{len(seen.target)}"'})
    asked = [("2", AVIF), ("1", AVIF), ("2", "*/*"), ("2", AVIF), ("1", "*/*")]

    answers = [
        ask(negotiating.port, "/prew/card/own.jpg", headers={"Sec-CH-DPR": dpr, "Accept": accept})
        for dpr, accept in asked
    ]
    spelled = ask(negotiating.port, "/prew/card/%6fwn.jpg", headers={"Sec-CH-DPR": "2", "Accept": AVIF})

    assert [answer.body.decode().split("/")[3] for answer in answers] == [
        "card@2x.avif",
        "card.avif",
        "card@2x",
        "card@2x.avif",
        "card",
    ]
    assert [answer.headers["X-Cache"] for answer in (*answers, spelled)] == [
        "MISS",
        "MISS",
        "MISS",
        "HIT",
        "MISS",
        "HIT",
    ]
    assert {answer.headers["Vary"] for answer in answers} == {"Sec-CH-DPR, Save-Data, Accept, Origin"}
    assert ask(negotiating.port, "/prew/hero/a.jpg").headers["Vary"] == "Sec-CH-DPR, Save-Data, Origin"
    assert ask(negotiating.port, "/prew/thumb/a.jpg").headers["Vary"] == "Origin"
    assert ask(negotiating.port, "/prew/card@2x/a.jpg").headers["Vary"] == "Accept, Origin"


def test_refusals_and_failures_vary_too(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(500)

    assert ask(nginx.port, "/prew/card/a").headers["Vary"] == "Sec-CH-DPR, Save-Data"
    assert ask(nginx.port, "/prew/card//a").headers["Vary"] == "Sec-CH-DPR, Save-Data"


def test_pages_ask_the_browser_for_the_hint(nginx: Nginx, recorded: Nginx) -> None:
    assert ask(nginx.port, "/").headers["Accept-CH"] == "Sec-CH-DPR"
    assert ask(recorded.port, "/prew/card/a").headers["Accept-CH"] is None


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PREW_NGINX_HINTED": "card"}, "must be densities of presets"),
        ({"PREW_NGINX_HINTED": "card@1x"}, "must be densities of presets"),
        ({"PREW_NGINX_HINTED": "card@2x.avif"}, "must be densities of presets"),
        ({"PREW_NGINX_HINTED": "card@2x|x"}, "must be densities of presets"),
        ({"PREW_NGINX_HINTED": "card@3x"}, "names card@3x, which no preset has"),
        ({"PREW_NGINX_HINTED": "hero@2x cart@2x"}, "names cart@2x, which no preset has"),
    ],
)
def test_what_is_no_density_stops_the_start(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ProgramError, match=f"PREW_NGINX_HINTED {message}"):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **HINTED, **variables})


@pytest.mark.parametrize(
    "presets",
    [
        {},
        {"PREW_PRESETS": '{"card": {"dpr": [2]}}', "PREW_PRESETS__THUMB__WIDTH": "9"},
        {"prew_presets__card__dpr": "2"},
    ],
)
def test_presets_may_be_known_by_json_or_not_at_all(presets: dict[str, str]) -> None:
    built = effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_HINTED": "card@2x", **presets})

    assert built["PREW_NGINX_HINT_NAMES"] == "card"
