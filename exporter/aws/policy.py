"""The IAM policy that the kinds need: no action that is not called, no call that is not allowed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from exporter.aws.models import Models
from exporter.kind import Kind


def policy(kinds: Sequence[Kind[Any]], models: Models) -> dict[str, Any]:
    """Return the policy document, a statement for each kind and resource.

    Actions that AWS asks of the caller besides a call's own are among them, on any resource.
    Reference: https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    statements = [
        {"Sid": _sid(kind.name, number), "Effect": "Allow", "Action": sorted(actions), "Resource": resource}
        for kind in kinds
        for number, (resource, actions) in enumerate(sorted(_actions(kind, models).items()))
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _actions(kind: Kind[Any], models: Models) -> dict[str, set[str]]:
    """Return the actions of a kind by the resource that they may be narrowed to."""
    actions: dict[str, set[str]] = defaultdict(set)
    for call in kind.calls:
        actions[call.resource].add(models.iam_action(call))
        if call.also_needs:
            actions["*"].update(call.also_needs)
    return actions


def _sid(kind: str, number: int) -> str:
    words = "".join(word.capitalize() for word in re.split(r"[^a-z0-9]+", kind))
    return f"{words}{number + 1 if number else ''}"
