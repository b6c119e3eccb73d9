"""The edge template, of whose kinds moto deploys few, and the function that makes few sizes of many."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import TEMPLATES

Template = Callable[[str], dict[str, Any]]

SIZES = (TEMPLATES / "sizes.js").read_text()


def test_cloudfront_runs_a_numbered_version_on_origin_responses(template: Template) -> None:
    """$LATEST is refused by CloudFront; edgelambda must be able to take on the role; no variable, no arm64."""
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


def test_the_cache_key_has_the_image_and_its_size_alone(template: Template) -> None:
    """Any other field of a query would be another object in the cache, and another run of the function."""
    policy = template("edge.yaml")["CachePolicy"]["Properties"]["CachePolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]

    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "whitelist", "QueryStrings": ["s", "w", "h"]}
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}


def test_the_template_holds_the_function_that_is_tested(template: Template) -> None:
    """CloudFormation wants the code inside; it is that of sizes.js, and within CloudFront's 10 KB."""
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
def test_sizes_become_one_of_a_few(query: dict[str, str], expected: dict[str, str]) -> None:
    """Whatever a viewer asks for, four sizes reach the cache; nonsense means the default."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js here")
    event = {"request": {"uri": "/a", "querystring": {name: {"value": value} for name, value in query.items()}}}
    code = f"{SIZES}\nprocess.stdout.write(JSON.stringify(handler({json.dumps(event)})))"
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)

    answered = json.loads(done.stdout)["querystring"]
    assert {name: field["value"] for name, field in answered.items()} == expected
