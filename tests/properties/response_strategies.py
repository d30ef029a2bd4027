"""Strategies for AWS's responses, from botocore's models of every call: valid, invalid or nonsense."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

from exporter.aws.errors import REASONS
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from tests.properties.json_strategies import any_json, mutations, texts
from tests.support.scripted_endpoint import HttpResponse, json_response
from tests.support.simulated_responses import output_shape

CALLS: Mapping[str, ApiCall] = {call.name: call for kind in KINDS for call in kind.calls}
NEEDED = frozenset({"status", "BulkDeploymentStatus", "deploymentStatus", "DeploymentStatus", "job", "jobId"})
NEEDED |= {"deploymentId", "BulkDeploymentId", "taskIds", "BulkDeployments", "Deployments", "jobs", "deployments"}
# Members that identify a response's operation, and those of its tags.
NEEDED |= {"jobArn", "tags", "Key"}
# Not part of valid content: the same page again would be an endless list.
LEFT_OUT = frozenset({"nextToken", "NextToken"})
IDS = ("a", "task-1", "B_2", "0" * 36)
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
STS = HttpResponse(IDENTITY.encode(), headers={"content-type": "text/xml"})

# The response to each API by name.
Responses = Mapping[str, HttpResponse]


def json_of_shape(shape: Shape, name: str = "") -> st.SearchStrategy[Any]:
    """Give JSON of a shape as AWS may send it. ``name`` is the member's name."""
    if isinstance(shape, StructureShape):
        return _of_structure(shape)
    if isinstance(shape, ListShape):
        unique = str if name == "taskIds" else None
        return st.lists(json_of_shape(shape.member, name), max_size=3, unique_by=unique)
    if isinstance(shape, MapShape):
        keys = st.sampled_from(["team", "cost center"]) | _short
        return st.dictionaries(keys, json_of_shape(shape.value, name), max_size=3)
    return _of_leaf(shape, name)


_short = texts.filter(lambda text: len(text) <= 256)


def _of_structure(shape: StructureShape) -> st.SearchStrategy[Any]:
    members = {
        member.serialization.get("name", name): json_of_shape(member, name)
        for name, member in shape.members.items()
        if name not in LEFT_OUT
    }
    needed = {name: members.pop(name) for name in tuple(members) if name in NEEDED}
    return st.fixed_dictionaries(needed, optional=members)


def _of_leaf(shape: Shape, name: str) -> st.SearchStrategy[Any]:
    limits = shape.metadata
    if "enum" in limits:
        return st.sampled_from(limits["enum"])
    match shape.type_name:
        case "integer" | "long":
            return st.integers(limits.get("min", 0), 100 if "percent" in name else 2**53)
        case "timestamp":
            return st.integers(0, 253402300799) | st.floats(0, 4e9)
        case "double" | "float":
            return st.floats(0, 100)
        case "boolean":
            return st.booleans()
    return _text(name)


def _text(name: str) -> st.SearchStrategy[str]:
    if name in ("taskIds", "jobId", "iotJobId", "deploymentId", "BulkDeploymentId"):
        return st.sampled_from(IDS)
    if name == "jobArn":
        return st.just("arn:aws:iot:eu-west-1:111122223333:job/a")
    if name in ("status", "BulkDeploymentStatus", "DeploymentStatus"):
        return st.sampled_from([status for kind in KINDS for status in kind.statuses]) | st.just("Tomorrow")
    return _short.filter(bool) if name in ("targets", "Key") else _short


def valid_content(call: ApiCall) -> st.SearchStrategy[Any]:
    """Give the content of a response as AWS documents it."""
    return json_of_shape(output_shape(call))


# The content of a valid response to each API by name.
valid_contents = st.fixed_dictionaries({name: valid_content(call) for name, call in CALLS.items()})
ODD_HEADERS: st.SearchStrategy[Mapping[str, str]] = st.dictionaries(
    st.sampled_from(["content-type", "content-length", "x-amzn-errortype", "x-amzn-requestid", "date", "retry-after"]),
    st.sampled_from(["", "0", "-1", "abc", "text/html", "application/json", "Throttling", *REASONS])
    | st.text(st.characters(codec="latin-1"), max_size=20),
    max_size=3,
)


def invalid_response(call: ApiCall) -> st.SearchStrategy[HttpResponse]:
    """Give a response with any fault: in a member, the body, the status, the headers or the bytes."""
    bodies = st.one_of(
        valid_content(call).flatmap(mutations).map(json.dumps).map(str.encode),
        valid_content(call).map(json.dumps).map(lambda text: text[: len(text) // 2].encode()),
        any_json.map(json.dumps).map(str.encode),
        st.binary(max_size=40),
        st.sampled_from([b"", b"{}", b"[]", b"null", b"<html>Please log in</html>", b"\xff\xfe{}", b'{"a":' * 3000]),
    )
    statuses = (
        st.just(200) | st.sampled_from([201, 204, 299, 300, 302, 400, 403, 404, 429, 500, 503]) | st.integers(100, 999)
    )
    return st.builds(HttpResponse, bodies, statuses, ODD_HEADERS)


# A response to each API. About half are invalid.
mixed_responses: st.SearchStrategy[Responses] = st.fixed_dictionaries(
    {name: valid_content(call).map(json_response) | invalid_response(call) for name, call in CALLS.items()}
)
