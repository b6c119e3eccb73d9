"""One preview's misses at one of two real replicas, and at the other one after its death."""

from __future__ import annotations

from devstack.backends import Redis
from devstack.lambda_server import Lambda
from tests.support.site import RunSite, Site


def _requests(site: Site) -> list[float]:
    return [site.metric("prewmanager_requests_total", port) for port in site.ports]


def test_misses_of_a_preview_go_to_one_replica_and_to_the_other_after_its_death(
    run_site: RunSite, redis_server: Redis, function: Lambda
) -> None:
    nginx = {"PREW_NGINX_BALANCE": "hash"}
    with run_site(redis=redis_server, function=function, replicas=2, nginx_variables=nginx) as site:
        before = _requests(site)
        statuses = [site.get("/prew/card/balance/none.jpg").status for _ in range(20)]
        asked = [late - early for early, late in zip(before, _requests(site), strict=True)]
        site.services[asked.index(20)].kill()
        other = site.ports[asked.index(0)]
        early = site.metric("prewmanager_requests_total", other)
        after_death = [site.get("/prew/card/balance/none.jpg").status for _ in range(20)]
        asked_then = site.metric("prewmanager_requests_total", other) - early

    assert sorted(asked) == [0, 20]
    assert set(statuses) == {404}
    assert set(after_death) == {404}
    assert asked_then == 20
