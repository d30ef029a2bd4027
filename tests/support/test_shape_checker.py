from typing import Any

import pytest

from exporter.kinds.kind import ApiCall
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape

TASK = ApiCall("iot", "DescribeThingRegistrationTask", quota=10)
LIST = ApiCall("iot", "ListThingRegistrationTasks", quota=10)
DEPLOYMENT = ApiCall("greengrass", "GetBulkDeploymentStatus", quota=30)


def test_a_valid_response_has_no_violation() -> None:
    response = {"taskId": "a", "creationDate": 1.5, "status": "Failed", "percentageProgress": 100}
    assert shape_violations(output_shape(TASK), response) == []


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (TASK, []),
        (TASK, {"taskId": None}),
        (TASK, {"taskId": 7}),
        (TASK, {"taskId": "x" * 41}),
        (TASK, {"status": "Running"}),
        (TASK, {"successCount": "5"}),
        (TASK, {"successCount": 5.0}),
        (TASK, {"successCount": True}),
        (TASK, {"percentageProgress": 101}),
        (TASK, {"creationDate": "2026-01-01T00:00:00Z"}),
        (TASK, {"roleArn": "short"}),
        (TASK, {"total": 5}),
        (LIST, {"taskIds": ["a", None]}),
        (DEPLOYMENT, {"tags": {"a": 1}}),
        (DEPLOYMENT, {"CreatedAt": 1.5}),
    ],
)
def test_every_violation_is_reported_once(call: ApiCall, value: Any) -> None:
    assert len(shape_violations(output_shape(call), value)) == 1
