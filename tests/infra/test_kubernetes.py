"""The manifests for Kubernetes: valid for the API server, and consistent with the rest of the project."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from devstack.nginx_server import effective_environment
from devstack.programs import find
from prewmanager.config.purges import caches_of
from prewmanager.config.settings import Settings
from tests.infra.conftest import TEMPLATES

FOLDER = TEMPLATES / "kubernetes"
ROOT = TEMPLATES.parent
Resource = dict[str, Any]
Check = Callable[[Resource], None]
KINDS = [
    *["Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"] * 2,
    "Service",
    "ServiceAccount",
]


def _loaded(*names: str) -> list[Resource]:
    texts = [(FOLDER / name).read_text() for name in names or ("nginx.yaml", "prewmanager.yaml")]
    return [resource for text in texts for resource in yaml.safe_load_all(text)]


def _pod(name: str) -> Resource:
    (deployment,) = (each for each in _loaded(f"{name}.yaml") if each["kind"] == "Deployment")
    pod: Resource = deployment["spec"]["template"]["spec"]
    return pod


def _variables(name: str) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in _pod(name)["containers"][0]["env"]}


def _settings() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "prewmanager.env").read_text(), re.MULTILINE))


def _rendered() -> list[Resource]:
    done = subprocess.run([find("kubectl"), "kustomize", str(FOLDER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.fault("service-links")
@pytest.mark.parametrize("name", ["prewmanager", "nginx"])
def test_pods_get_no_service_links(name: str) -> None:
    """A Service named prew-redis would set PREW_REDIS_PORT."""
    assert _pod(name)["enableServiceLinks"] is False


@pytest.fixture(name="check")
def _check() -> Check:
    """Raise `ValueError` if Kubernetes would refuse a resource."""
    schemas = pytest.importorskip("kubernetes_validate", reason="the schemas are not installed: `make test-infra`")

    def check(resource: Resource) -> None:
        try:
            schemas.validate(resource, schemas.latest_version(), strict=True)
        except schemas.ValidationError as error:
            raise ValueError(f"{resource['kind']} {resource['metadata']['name']}: {error.message}") from error

    return check


def test_every_manifest_is_valid(check: Check) -> None:
    resources = _loaded()
    for resource in resources:
        check(resource)

    assert sorted(resource["kind"] for resource in resources) == sorted(KINDS)


def test_a_misspelt_field_is_found(check: Check) -> None:
    (deployment,) = (each for each in _loaded("nginx.yaml") if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}

    with pytest.raises(ValueError, match="readynessProbe"):
        check(deployment)


def test_both_deployments_read_one_map_whose_name_changes_with_it(check: Check) -> None:
    rendered = _rendered()
    for resource in rendered:
        check(resource)
        name = "name" if resource["kind"] == "Namespace" else "namespace"
        assert resource["metadata"][name] == "previews"
    (settings,) = (each for each in rendered if each["kind"] == "ConfigMap")
    pods = [each["spec"]["template"]["spec"] for each in rendered if each["kind"] == "Deployment"]

    assert settings["data"] == _settings()
    assert re.fullmatch(r"prewmanager-[a-z0-9]{10}", settings["metadata"]["name"])
    for pod in pods:
        (container,) = pod["containers"]
        assert container["envFrom"][0] == {"configMapRef": {"name": settings["metadata"]["name"]}}
        name, _, tag = container["image"].partition(":")
        assert name.startswith("registry.example.com/prewmanager")
        assert tag == version("prewmanager")


@pytest.mark.parametrize("name", ["nginx", "prewmanager"])
def test_no_pod_can_change_itself_or_gain_permissions(name: str) -> None:
    pod = _pod(name)
    (container,) = pod["containers"]
    dockerfile = ROOT / ("nginx/Dockerfile" if name == "nginx" else "containers/service.Dockerfile")
    user = re.findall(r"^USER (\d+):(\d+)$", dockerfile.read_text(), re.MULTILINE)[-1]

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"]
    assert (str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"])) == user
    assert pod["automountServiceAccountToken"] is False
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("nginx", Settings.model_fields["proxy_read_timeout"].default),
        ("prewmanager", 1.5 * Settings.model_fields["shutdown_grace"].default),
    ],
)
def test_the_grace_period_covers_the_sleep_and_the_requests_in_flight(name: str, needed: float) -> None:
    pod = _pod(name)
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pod["terminationGracePeriodSeconds"] >= before + needed


@pytest.mark.parametrize("name", ["nginx", "prewmanager"])
def test_service_autoscaler_budget_and_policy_select_the_deployments_pods(name: str) -> None:
    by_kind = {each["kind"]: each for each in reversed(_loaded(f"{name}.yaml"))}
    deployment, service = by_kind["Deployment"], by_kind["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    port, *_ = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]

    assert service["spec"]["selector"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert by_kind["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]
    assert by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert by_kind["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    assert "replicas" not in deployment["spec"]


def test_nginxs_scripts_accept_its_variables_and_its_ports_are_the_manifests() -> None:
    # Kubernetes itself replaces the namespace.
    expanded = {name: value.replace("$(NAMESPACE)", "photos") for name, value in _variables("nginx").items()}
    environment = effective_environment({**_settings(), **expanded})
    (service,) = (each for each in _loaded("prewmanager.yaml") if each["kind"] == "Service")
    upstream, port = environment["PREW_NGINX_SERVICES"].split(":")

    assert upstream == f"{service['metadata']['name']}.photos.svc.cluster.local"
    assert service["spec"]["clusterIP"] == "None"
    assert int(port) == service["spec"]["ports"][0]["port"] == int(_variables("prewmanager")["PREW_PORT"])
    assert int(environment["PREW_NGINX_LISTEN"]) == _pod("nginx")["containers"][0]["ports"][0]["containerPort"]


def test_the_service_alone_reaches_each_nginxs_purge_port() -> None:
    _, purge = (each for each in _loaded("nginx.yaml") if each["kind"] == "Service")
    (policy,) = (each for each in _loaded("nginx.yaml") if each["kind"] == "NetworkPolicy")
    clients, service = policy["spec"]["ingress"]
    ports = {each["name"]: each["containerPort"] for each in _pod("nginx")["containers"][0]["ports"]}
    (cache,) = caches_of(_settings()["PREW_PURGES"])

    assert (purge["spec"]["clusterIP"], purge["spec"]["ports"][0]["targetPort"]) == ("None", "purge")
    assert cache.id == f"{purge['metadata']['name']}:{purge['spec']['ports'][0]['port']}"
    assert int(_settings()["PREW_NGINX_PURGE_LISTEN"]) == ports["purge"] == purge["spec"]["ports"][0]["port"]
    assert clients == {"ports": [{"port": "http"}]}
    assert service["ports"] == [{"port": "purge"}]
    assert service["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "prewmanager"}}}]
