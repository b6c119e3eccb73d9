"""`prewmanager purge --nginx-cache` with a real nginx that caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.nginx_server import Nginx, start_nginx
from tests.commands.conftest import Shop
from tests.support.asking import ask
from tests.support.site import nginx_variables

NAME = "クズ箱/a b+c.jpg"
PATH = "/%E3%82%AF%E3%82%BA%E7%AE%B1/a%20b%2Bc.jpg"
OTHERWISE_ENCODED = "/%e3%82%af%e3%82%ba%e7%ae%b1/a%20b+c.jpg"


@pytest.fixture(name="nginx")
def _nginx(shop: Shop, tmp_path: Path) -> Iterator[Nginx]:
    """Nginx with its cache, in front of the shop, and without a service."""
    shop.allow_anonymous_reads()
    ours = {"PREW_NGINX_BUCKET_PATH": f"/{shop.bucket}", "PREW_NGINX_CACHE": "on"}
    nginx = start_nginx(tmp_path, nginx_variables(shop.s3, [1]) | ours)
    yield nginx
    nginx.program.stop()


def test_copies_in_nginxs_cache_are_deleted(shop: Shop, nginx: Nginx, tmp_path: Path) -> None:
    shop.put(f"prew/card/{NAME}", f"prew/thumb/{NAME}", body=b"old")
    paths = [f"/prew/card{PATH}", f"/prew/card{OTHERWISE_ENCODED}", f"/prew/thumb{PATH}"]
    for path in paths * 2:
        ask(nginx.port, path)
    cache = str(tmp_path / "state" / "cache")
    counted = shop.json("purge", "card", "--nginx-cache", cache)
    before = [ask(nginx.port, path).headers["X-Cache"] for path in paths]
    purged = shop.json("purge", "card", "--nginx-cache", cache, "--yes")
    shop.put(f"prew/card/{NAME}", f"prew/thumb/{NAME}", body=b"new")

    assert (counted["nginx"], purged["nginx"]) == (1, 1)
    assert before == ["HIT", "HIT", "HIT"]
    assert [ask(nginx.port, path).body for path in paths] == [b"new", b"new", b"old"]


def test_a_missing_folder_is_an_error_that_names_the_right_one(shop: Shop, tmp_path: Path) -> None:
    done = shop.run("purge", "card", "--nginx-cache", str(tmp_path / "none"))

    assert done.returncode == 1
    assert "PREW_NGINX_STATE_PATH" in done.stderr
