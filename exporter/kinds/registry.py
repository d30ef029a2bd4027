"""The list of all kinds of bulk operation. Each kind has its own module."""

from typing import Any

from exporter.kinds import greengrass_bulk_deployment, greengrass_deployment, iot_job, thing_registration_task
from exporter.kinds.kind import Kind

KINDS: tuple[Kind[Any], ...] = (
    thing_registration_task.KIND,
    greengrass_bulk_deployment.KIND,
    iot_job.KIND,
    greengrass_deployment.KIND,
)
