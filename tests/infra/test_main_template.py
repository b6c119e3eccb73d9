"""The main template, deployed: its resources, permissions and events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import BUCKET, PACKAGE, TEMPLATES, Aws

Allowed = Callable[..., bool]
Template = Callable[[str], dict[str, Any]]

PHOTO = {"Bucket": BUCKET, "Key": "photo/a.jpg"}
PREVIEW = {"Bucket": BUCKET, "Key": "prew/card/a.jpg"}
OTHER = {"Bucket": BUCKET, "Key": "other/a.jpg"}


@pytest.mark.parametrize(
    ("role", "call", "target", "allowed"),
    [
        ("ResizeRole", "get_object", PHOTO, True),
        ("ResizeRole", "get_object", OTHER, False),
        ("ResizeRole", "get_object", PREVIEW, True),
        ("ResizeRole", "put_object", PREVIEW, True),
        ("ResizeRole", "put_object", PHOTO, False),
        ("ResizeRole", "delete_object", PREVIEW, True),
        ("ResizeRole", "delete_object", PHOTO, False),
        ("ResizeRole", "list_objects_v2", {"Bucket": BUCKET}, True),
        ("ResizeRole", "list_objects_v2", {"Bucket": "packages"}, False),
        ("CleanerRole", "delete_object", PREVIEW, True),
        ("CleanerRole", "delete_object", PHOTO, False),
        ("CleanerRole", "get_object", PREVIEW, True),
        ("CleanerRole", "get_object", PHOTO, True),
        ("CleanerRole", "put_object", PREVIEW, False),
        ("ServiceRole", "get_object", PREVIEW, True),
        ("ServiceRole", "get_object", PHOTO, True),
        ("ServiceRole", "put_object", PREVIEW, False),
        ("ServiceRole", "delete_object", PREVIEW, False),
        ("ServiceRole", "list_objects_v2", {"Bucket": BUCKET}, True),
    ],
)
def test_a_role_may_do_its_own_work_and_no_other(  # noqa: PLR0917 -- a table of permissions
    aws: Aws,
    allowed_as: Allowed,
    role: str,
    call: str,
    target: dict[str, str],
    allowed: bool,  # noqa: FBT001 -- as above
) -> None:
    for each in (PHOTO, PREVIEW, OTHER):
        aws.client("s3").put_object(**each, Body=b"x")

    assert allowed_as(role, "s3", call, **target) is allowed


def test_the_cleaner_learns_what_does_not_exist(aws: Aws, resources: dict[str, str]) -> None:
    """S3 checks ListBucket without a prefix there."""
    policy = aws.client("iam").get_role_policy(RoleName=resources["CleanerRole"], PolicyName="cleaner")[
        "PolicyDocument"
    ]
    (statement,) = (each for each in policy["Statement"] if each["Action"] == "s3:ListBucket")

    assert "Condition" not in statement


def test_only_the_service_may_invoke_a_function_and_only_the_resize_one(aws: Aws, resources: dict[str, str]) -> None:
    may_invoke = {}
    for role, name in (("ServiceRole", "service"), ("ResizeRole", "resize"), ("CleanerRole", "cleaner")):
        policy = aws.client("iam").get_role_policy(RoleName=resources[role], PolicyName=name)["PolicyDocument"]
        may_invoke[role] = [each["Resource"] for each in policy["Statement"] if "lambda" in str(each["Action"])]
    resize = aws.client("lambda").get_function_configuration(FunctionName=resources["ResizeFunction"])["FunctionArn"]

    assert may_invoke == {"ServiceRole": [resize], "ResizeRole": [], "CleanerRole": []}


def test_the_functions_are_as_the_service_expects(aws: Aws, resources: dict[str, str]) -> None:
    found = aws.client("lambda").get_function(FunctionName=resources["ResizeFunction"])
    configuration = found["Configuration"]

    assert configuration["Runtime"] == "python3.14"
    assert configuration["Handler"] == "lambda_resize.handler.handler"
    assert (configuration["Timeout"], configuration["MemorySize"]) == (10, 1769)
    assert "ReservedConcurrentExecutions" not in found.get("Concurrency", {})  # a new account has none to reserve
    cleaner = aws.client("lambda").get_function_configuration(FunctionName=resources["CleanerFunction"])
    assert cleaner["Handler"] == "lambda_resize.cleaner.handler"
    assert cleaner["Environment"]["Variables"] == {"PREW_SOURCE_PREFIX": "photo", "PREW_PREVIEW_PREFIX": "prew"}


def test_concurrency_is_reserved_for_both_functions_where_it_is_asked_for(aws: Aws) -> None:
    parameters = {"BucketName": BUCKET, "ReservedConcurrency": "50", **PACKAGE}
    deployed = aws.deploy("prewmanager.yaml", parameters, stack="reserved")
    functions = aws.client("lambda")
    reserved = [
        functions.get_function(FunctionName=deployed[each])["Concurrency"]["ReservedConcurrentExecutions"]
        for each in ("ResizeFunction", "CleanerFunction")
    ]

    assert reserved == [50, 5]


def test_eventbridge_may_invoke_the_cleaner_and_does_so_for_photos_alone(aws: Aws, resources: dict[str, str]) -> None:
    events, functions = aws.client("events"), aws.client("lambda")
    name = resources["PhotoChanged"]
    rule = events.describe_rule(Name=name)
    targets = {each["Id"]: each for each in events.list_targets_by_rule(Rule=name)["Targets"]}
    queue = aws.client("sqs").get_queue_attributes(QueueUrl=resources["CleanerAgain"], AttributeNames=["All"])
    cleaner = functions.get_function_configuration(FunctionName=resources["CleanerFunction"])["FunctionArn"]
    (statement,) = json.loads(functions.get_policy(FunctionName=cleaner)["Policy"])["Statement"]

    assert json.loads(rule["EventPattern"])["detail"] == {
        "bucket": {"name": [BUCKET]},
        "object": {"key": [{"prefix": "photo/"}]},
    }
    assert targets["cleaner"]["Arn"] == cleaner
    assert targets["again"]["Arn"] == queue["Attributes"]["QueueArn"]
    assert queue["Attributes"]["DelaySeconds"] == "90"
    assert all("DeadLetterConfig" in each for each in targets.values())
    assert statement["Principal"]["Service"] == "events.amazonaws.com"
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == rule["Arn"]


def test_logs_are_kept_for_thirty_days(aws: Aws, resources: dict[str, str]) -> None:
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    days = {group["logGroupName"]: group["retentionInDays"] for group in groups}

    assert (days[resources["ResizeLogs"]], days[resources["CleanerLogs"]]) == (30, 30)


# moto does not deploy what follows: access blocks, bucket policies and alarms.


def test_acls_have_no_effect(template: Template) -> None:
    bucket = template("prewmanager.yaml")["Bucket"]["Properties"]

    assert bucket["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert bucket["PublicAccessBlockConfiguration"]["IgnorePublicAcls"] is True
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_anybody_may_read_photos_and_previews_alone(template: Template) -> None:
    statement, only_tls = template("prewmanager.yaml")["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert (only_tls["Effect"], only_tls["Principal"], only_tls["Action"]) == ("Deny", "*", "s3:*")
    assert only_tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (statement["Principal"], statement["Action"]) == ("*", "s3:GetObject")
    (photos, beginning), previews = statement["Resource"]
    assert [each.rpartition(":")[2] for each in (photos, previews)] == [
        "${BucketName}/${Photos}*",
        "${BucketName}/${PreviewPrefix}/*",
    ]
    assert beginning == {"Photos": ["PhotosAtRoot", "", ["HasSourceKeys", "SourceKeys", "${SourcePrefix}/"]]}


def test_events_of_previews_at_the_buckets_root_are_left_out(template: Template) -> None:
    pattern = template("prewmanager.yaml")["PhotoChanged"]["Properties"]["EventPattern"]

    assert pattern["detail"]["object"]["key"] == [
        "PhotosAtRoot",
        [{"anything-but": {"prefix": "${PreviewPrefix}/"}}],
        [{"prefix": ["HasSourceKeys", "SourceKeys", "${SourcePrefix}/"]}],
    ]


def test_the_services_role_trusts_this_accounts_tasks_or_one_service_account(template: Template) -> None:
    """EKS Pod Identity cannot assume a role without sts:TagSession, and says by tags which pod it is for."""
    role = template("prewmanager.yaml")["ServiceRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    tasks, for_tasks, (pods, for_pods, otherwise) = role["Condition"]

    assert role["Action"] == ["RunsAsPods", ["sts:AssumeRole", "sts:TagSession"], "sts:AssumeRole"]
    assert (tasks, pods, otherwise) == ("RunsAsTasks", "RunsAsPods", "AWS::NoValue")
    assert set(for_tasks["StringEquals"]) == {"aws:SourceAccount"}
    assert set(for_pods["StringEquals"]) == {
        "aws:RequestTag/kubernetes-namespace",
        "aws:RequestTag/kubernetes-service-account",
    }


def test_alarms_watch_errors_throttles_slowness_and_failed_deletions(template: Template) -> None:
    alarms = [each["Properties"] for each in template("prewmanager.yaml").values() if each["Type"].endswith("::Alarm")]

    assert {alarm["MetricName"] for alarm in alarms} == {
        "Errors",
        "Throttles",
        "Duration",
        "ApproximateNumberOfMessagesVisible",
    }
    assert all(alarm["AlarmActions"][0] == "HasTopic" for alarm in alarms)


def test_terraforms_example_has_exactly_the_required_parameters_and_existing_outputs() -> None:
    text = (TEMPLATES / "README.md").read_text()
    block = re.search(r"parameters = \{\n(.*?)\}", text, re.DOTALL)
    assert block
    given = set(re.findall(r"^ +(\w+) +=", block[1], re.MULTILINE))
    whole = (TEMPLATES / "prewmanager.yaml").read_text()
    section = whole.partition("\nParameters:\n")[2].partition("\nConditions:\n")[0]
    parameters = dict(re.findall(r"^  (\w+):\n((?:    .*\n)+)", section, re.MULTILINE))
    (output,) = re.findall(r'outputs\["(\w+)"\]', text)

    assert given == {name for name, lines in parameters.items() if "    Default:" not in lines}
    assert re.search(rf"^  {output}:$", whole.partition("\nOutputs:\n")[2], re.MULTILINE)
