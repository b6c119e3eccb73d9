"""The edge template, of which moto can deploy a part, and the function that rounds sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dukpy
import pytest

from tests.infra.conftest import TEMPLATES, Aws

Template = Callable[[str], dict[str, Any]]

SIZES = (TEMPLATES / "sizes.js").read_text()


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
    assert aws.is_allowed(role, "logs", "create_log_group", logGroupName="/aws/lambda/us-east-1.edge-edge")
    assert not aws.is_allowed(role, "s3", "get_object", Bucket="packages", Key="resize.zip")


def test_only_the_image_and_its_size_are_in_the_cache_key(template: Template) -> None:
    """Other fields would cost further objects in the cache, and invocations."""
    policy = template("edge.yaml")["CachePolicy"]["Properties"]["CachePolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]

    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "whitelist", "QueryStrings": ["s", "w", "h"]}
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}


def test_server_errors_are_cached_for_a_second(template: Template) -> None:
    """For these, CloudFront ignores the origin's no-store."""
    configuration = template("edge.yaml")["Distribution"]["Properties"]["DistributionConfig"]
    kept = {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in configuration["CustomErrorResponses"]}

    assert kept == {500: 1, 502: 1, 503: 1, 504: 1}


def test_the_template_contains_sizes_js(template: Template) -> None:
    assert template("edge.yaml")["Sizes"]["Properties"]["FunctionCode"] == SIZES
    assert len(SIZES.encode()) < 10 * 1024


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"s": "u"}, {"s": "u", "w": "1200", "h": "627"}),
        ({"s": "u", "w": "1200", "h": "627"}, {"s": "u", "w": "1200", "h": "627"}),
        ({"s": "u", "w": "301"}, {"s": "u", "w": "1200", "h": "627"}),
        ({"s": "u", "w": "299", "h": "100"}, {"s": "u", "w": "300", "h": "157"}),
        ({"s": "u", "w": "300", "h": "158"}, {"s": "u", "w": "600", "h": "314"}),
        ({"s": "u", "w": "99999", "h": "1"}, {"s": "u", "w": "2400", "h": "1254"}),
        ({"s": "u", "w": "-5", "h": "x"}, {"s": "u", "w": "1200", "h": "627"}),
        ({"w": "1", "h": "2", "v": "3"}, {"v": "3"}),
    ],
)
def test_only_four_sizes_reach_the_cache(query: dict[str, str], expected: dict[str, str]) -> None:
    event = {"request": {"uri": "/a", "querystring": {name: {"value": value} for name, value in query.items()}}}
    answered = dukpy.evaljs([SIZES, "handler(dukpy['event']).querystring"], event=event)

    assert {name: field["value"] for name, field in answered.items()} == expected
