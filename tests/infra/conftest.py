"""moto's server, a fake AWS that knows CloudFormation and IAM, with the main template deployed."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
import yaml

from devstack.programs import LOOPBACK, Program, ProgramError, answers, find, free_ports

TEMPLATES = Path(__file__).resolve().parents[2] / "infra"
PACKAGE = {"PackageBucket": "packages", "PackageKey": "resize.zip"}
BUCKET = "previews-of-ours"


@dataclass(frozen=True)
class Aws:
    """moto's server."""

    url: str

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """Return a client, by default with an administrator's credentials."""
        known = credentials or {"AccessKeyId": "admin", "SecretAccessKey": "admin"}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=known["AccessKeyId"],
            aws_secret_access_key=known["SecretAccessKey"],
            aws_session_token=known.get("SessionToken"),
        )

    def _check_policies(self, *, after: float) -> None:
        """Enforce IAM's policies from the request after `after` more on; infinity: never."""
        headers = {"Content-Type": "text/plain"}
        request = Request(f"{self.url}/moto-api/reset-auth", str(after).encode(), headers)  # noqa: S310 -- of this machine
        with urlopen(request, timeout=10):  # noqa: S310 -- of this machine
            pass

    def deploy(
        self, template: str, parameters: Mapping[str, str], *, outputs: bool = True, stack: str = ""
    ) -> dict[str, str]:
        """Deploy one of our templates with these parameters; return the physical ids by logical id.

        The stack has the template's name unless another is given.
        moto skips unknown resources, but fails if an output refers to one: then pass `outputs=False`.
        """
        formation = self.client("cloudformation")
        name = stack or template.removesuffix(".yaml")
        whole = (TEMPLATES / template).read_text()
        formation.create_stack(
            StackName=name,
            TemplateBody=whole if outputs else whole.partition("\nOutputs:\n")[0],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (made,) = formation.describe_stacks(StackName=name)["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE"
        resources = formation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        for role in (each for each in names if each.endswith("Role")):
            self._repair_policies(names[role])
        return names

    def _repair_policies(self, role: str) -> None:
        """Write anew what moto keeps of a template as Python prints it, and cannot read as JSON."""
        iam = self.client("iam")
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            named = {"RoleName": role, "PolicyName": policy}
            document = ast.literal_eval(iam.get_role_policy(**named)["PolicyDocument"])
            iam.put_role_policy(**named, PolicyDocument=json.dumps(document))

    def is_allowed(self, role: str, service: str, call: str, **arguments: Any) -> bool:
        """Whether a client with this assumed role may make this call."""
        arn = self.client("iam").get_role(RoleName=role)["Role"]["Arn"]
        credentials = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        client = self.client(service, credentials)
        self._check_policies(after=0)
        try:
            getattr(client, call)(**arguments)
        except client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            return bool(code not in {"AccessDenied", "AccessDeniedException"})
        finally:
            self._check_policies(after=float("inf"))
        return True


@pytest.fixture(scope="session", name="aws")
def _aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    try:
        server = find("moto_server")
    except ProgramError:
        pytest.skip("moto is not installed: `make test-infra`")
    port = free_ports(1)[0]
    program = Program("moto", [server, "-H", LOOPBACK, "-p", str(port)], tmp_path_factory.mktemp("moto") / "log")
    program.wait_ready(lambda: answers(port))
    aws = Aws(f"http://{LOOPBACK}:{port}")
    aws.client("s3").create_bucket(Bucket="packages")
    aws.client("s3").put_object(Bucket="packages", Key="resize.zip", Body=b"PK\x05\x06" + bytes(18))
    yield aws
    program.stop()


@pytest.fixture(scope="session", name="resources")
def _resources(aws: Aws) -> dict[str, str]:
    """The main template with a separate bucket, deployed."""
    return aws.deploy("prewmanager.yaml", {"BucketName": BUCKET, "CreateBucket": "true", **PACKAGE})


@pytest.fixture(name="allowed_as")
def _allowed_as(aws: Aws, resources: dict[str, str]) -> Callable[..., bool]:
    """Whether a role of the main template may do this: `allowed_as("ResizeRole", "s3", "get_object", Bucket=…)`."""

    def allowed(role: str, service: str, call: str, **arguments: Any) -> bool:
        return aws.is_allowed(resources[role], service, call, **arguments)

    return allowed


@pytest.fixture(scope="session", name="template")
def _template() -> Callable[[str], dict[str, Any]]:
    """Reads the resources of a template, with short tags (!Ref, !Sub, …) replaced by their values."""

    class Loader(yaml.SafeLoader):
        """A YAML loader with CloudFormation's tags."""

    def held(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        assert isinstance(node, yaml.SequenceNode)
        return loader.construct_sequence(node, deep=True)

    Loader.add_multi_constructor("!", held)

    def load(name: str) -> dict[str, Any]:
        loaded = yaml.load((TEMPLATES / name).read_text(), Loader)  # noqa: S506 -- a SafeLoader, extended
        resources: dict[str, Any] = loaded["Resources"]
        return resources

    return load
