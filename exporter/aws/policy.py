"""The IAM policy that the kinds need: no action that is not called, no call that is not allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from exporter.aws.models import Models
from exporter.kind import ApiCall, Kind


def policy(kinds: Sequence[Kind[Any]], models: Models) -> dict[str, Any]:
    """Return the policy document, a statement for each kind and resource.

    Reference: https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    statements = [
        {
            "Sid": _sid(kind.name, number),
            "Effect": "Allow",
            "Action": sorted({models.iam_action(call) for call in kind.calls if call.resource == resource}),
            "Resource": resource,
        }
        for kind in kinds
        for number, resource in enumerate(_resources(kind.calls))
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _resources(calls: Sequence[ApiCall]) -> list[str]:
    return sorted({call.resource for call in calls})


def _sid(kind: str, number: int) -> str:
    words = "".join(word.capitalize() for word in re.split(r"[^a-z0-9]+", kind))
    return f"{words}{number + 1 if number else ''}"
