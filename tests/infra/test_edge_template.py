"""The edge template, of which moto can deploy a part, and the function that makes one cache key of all spellings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dukpy
import pytest

from lambda_resize.edge.accept import accepted_format
from lambda_resize.edge.fetch import USER_AGENT
from tests.infra.conftest import TEMPLATES, Aws

Template = Callable[[str], dict[str, Any]]

VIEWER = (TEMPLATES / "viewer.js").read_text()


def test_cloudfront_runs_a_numbered_version_on_origin_responses(template: Template) -> None:
    """CloudFront refuses $LATEST, variables and arm64; edgelambda must be able to assume the role."""
    resources = template("edge.yaml")
    behavior = resources["Distribution"]["Properties"]["DistributionConfig"]["DefaultCacheBehavior"]
    (statement,) = resources["EdgeRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    function = resources["EdgeFunction"]["Properties"]

    assert behavior["LambdaFunctionAssociations"] == [
        {"EventType": "origin-response", "LambdaFunctionARN": "EdgeVersion"}
    ]
    assert resources["EdgeVersion"]["Type"] == "AWS::Lambda::Version"
    assert statement["Principal"]["Service"] == ["lambda.amazonaws.com", "edgelambda.amazonaws.com"]
    assert "Environment" not in function
    assert (function["Architectures"], function["Timeout"]) == (["x86_64"], 30)


def test_the_function_may_log_under_its_own_name_and_nothing_else(aws: Aws) -> None:
    """Deployed without CloudFront's resources, which moto does not support."""
    package = {"PackageBucket": "packages", "PackageKey": "resize.zip", "PackageSha256": "A" * 43 + "="}
    deployed = aws.deploy("edge.yaml", {"OriginDomainName": "images.example.com", **package}, outputs=False)
    function = aws.client("lambda").get_function_configuration(FunctionName=deployed["EdgeFunction"])
    role = deployed["EdgeRole"]

    assert function["Role"].endswith(f"/{role}")
    assert (function["Runtime"], function["Handler"]) == ("python3.14", "lambda_resize.edge.handler.handler")
    assert "Environment" not in function
    policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="log")["PolicyDocument"]
    (statement,) = policy["Statement"]
    own = "log-group:/aws/lambda/us-east-1.edge-edge*"
    assert statement["Resource"] == f"arn:aws:logs:*:123456789012:{own}"  # moto does not check it
    stream = {"logGroupName": deployed["EdgeLog"], "logStreamName": "today"}
    assert deployed["EdgeLog"] == "/aws/lambda/us-east-1.edge-edge"
    assert aws.is_allowed(role, "logs", "create_log_stream", **stream)
    assert not aws.is_allowed(role, "s3", "get_object", Bucket="packages", Key="resize.zip")


def test_only_the_image_and_its_size_are_in_the_cache_key(template: Template) -> None:
    """Other fields would cost further objects in the cache, and invocations."""
    policy = template("edge.yaml")["CachePolicy"]["Properties"]["CachePolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]

    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "whitelist", "QueryStrings": ["s", "w", "h"]}
    assert key["HeadersConfig"] == [
        "HasFormats",
        {"HeaderBehavior": "whitelist", "Headers": ["Accept"]},
        {"HeaderBehavior": "none"},
    ]
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}


def test_server_errors_are_cached_for_a_second(template: Template) -> None:
    """For these, CloudFront ignores the origin's no-store."""
    configuration = template("edge.yaml")["Distribution"]["Properties"]["DistributionConfig"]
    kept = {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in configuration["CustomErrorResponses"]}

    assert kept == {500: 1, 502: 1, 503: 1, 504: 1}


def test_alarms_read_the_distributions_metrics(template: Template) -> None:
    """By their names and dimensions in CloudFront's developer guide; no other metric of the edge is in one region."""
    alarms = [each["Properties"] for each in template("edge.yaml").values() if each["Type"] == "AWS::CloudWatch::Alarm"]

    assert {each["MetricName"]: each["Statistic"] for each in alarms} == {
        "5xxErrorRate": "Average",
        "LambdaExecutionError": "Sum",
        "LambdaValidationError": "Sum",
        "LambdaLimitExceededErrors": "Sum",
    }
    for each in alarms:
        assert each["Namespace"] == "AWS/CloudFront"
        assert {one["Name"]: one["Value"] for one in each["Dimensions"]} == {
            "DistributionId": "Distribution",
            "Region": "Global",
        }


def test_every_log_group_ends_its_entries(template: Template) -> None:
    """Lambda keeps the groups that it creates itself for ever; so the function may create none."""
    (statement,) = template("edge.yaml")["EdgeRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    groups = [template(name)["EdgeLog"]["Properties"] for name in ("edge.yaml", "edge-logs.yaml")]

    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert [group["RetentionInDays"] for group in groups] == ["LogRetentionDays"] * 2
    assert [group["LogGroupName"] for group in groups] == [
        "/aws/lambda/us-east-1.${AWS::StackName}-edge",
        "/aws/lambda/us-east-1.${EdgeStackName}-edge",
    ]


def test_the_template_contains_viewer_js(template: Template) -> None:
    assert template("edge.yaml")["Viewer"]["Properties"]["FunctionCode"] == VIEWER
    assert len(VIEWER.encode()) < 10 * 1024


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"s": "https%3A%2F%2Fu%2Fa"}, "s=https%3A%2F%2Fu%2Fa"),
        ({"h": "627", "utm": "x", "w": "01200", "s": "https://U/a"}, "s=https%3A%2F%2Fu%2Fa&w=1200&h=627"),
        ({"s": "https://u/a", "w": "%33%30%30", "h": ""}, "s=https%3A%2F%2Fu%2Fa&w=300"),
        ({"s": "https://u/a", "w": "-5", "h": "x"}, "s=https%3A%2F%2Fu%2Fa&w=-5&h=x"),
        ({"s": "none", "w": "300"}, "s=none&w=300"),
        ({"s": "", "w": "300"}, ""),
        ({"w": "1", "h": "2", "v": "3"}, ""),
    ],
)
def test_one_image_in_one_size_has_one_query(query: dict[str, str], expected: str) -> None:
    assert _normalised(query, {})["querystring"] == expected


def test_a_request_of_the_resizer_itself_asks_for_no_image() -> None:
    """An allowed host that is another name of the distribution would call the function without end."""
    mine = {"user-agent": USER_AGENT}

    assert _normalised({"s": "https://u/a", "w": "300"}, mine)["querystring"] == ""


@pytest.mark.parametrize("formats", [("avif", "webp"), ("webp", "avif"), ("avif",), ("webp",)])
@pytest.mark.parametrize(
    "accept",
    [
        "image/avif",
        "image/avif,image/webp,*/*;q=0.8",
        "image/webp,image/avif",
        "image/avif;q=0, image/webp",
        "image/webp , */*;q=0.8",
        "IMAGE/WEBP;q=0.0",
        "*/*",
        "a;q=0",
    ],
)
def test_accept_becomes_one_of_four_values_that_the_function_reads_alike(accept: str, formats: tuple[str, ...]) -> None:
    left = _normalised({}, {"accept": accept})["headers"]["accept"]["value"]

    assert left in {"image/avif,image/webp", "image/avif", "image/webp", "*/*"}
    assert accepted_format(left, formats) == accepted_format(accept, formats)


def _normalised(query: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    def fields(given: dict[str, str]) -> dict[str, dict[str, str]]:
        return {name: {"value": value} for name, value in given.items()}

    event = {"request": {"uri": "/a", "querystring": fields(query), "headers": fields(headers)}}
    answered: dict[str, Any] = dukpy.evaljs([VIEWER, "handler(dukpy['event'])"], event=event)
    return answered
