"""A fleet in two accounts, and an hour of its data from two exporters that report the same."""

from pathlib import Path

from tests.support.exporter_server import restartable_exporter
from tests.support.prometheus import Recording, record

FACTORY, FIELD = "111122223333", "444455556666"
CONFIG = """
accounts:
  - name: factory
    account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true, details: true}
      - {kind: iot_job, discover: true}
  - name: field
    role_arn: arn:aws:iam::444455556666:role/reader
    regions: [us-east-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
labels: {tags: [team]}
"""
SCENARIO = """
accounts: ["111122223333", "444455556666"]
operations:
  - {kind: thing_registration_task, id: moving, region: eu-west-1, items: 90000, input: "s3://bucket/things",
     timeline: [{at: 0s, status: InProgress}, {at: 150m, status: Completed, done: 1.0, failed: 0.1}]}
  - {kind: thing_registration_task, id: standing, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: InProgress}, {at: 15m, done: 0.4}]}
  - {kind: thing_registration_task, id: refused, region: us-east-1, account: "444455556666", items: 10,
     timeline: [{at: 0s, status: InProgress}, {at: 10m, status: Failed}]}
  - {kind: greengrass_bulk_deployment, id: moving-v1, region: eu-west-1, items: 500, retries: 40,
     error_codes: [CoreNotConnected], tags: {team: edge},
     timeline: [{at: 0s, status: Initializing}, {at: 2m, status: Running},
                {at: 150m, status: Completed, done: 1.0, failed: 0.1}]}
  - {kind: greengrass_bulk_deployment, id: standing-v1, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 15m, done: 0.5}]}
  - {kind: iot_job, id: moving-job, region: eu-west-1, items: 800, allowed_retries: {FAILED: 0},
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 150m, status: COMPLETED, done: 1.0, failed: 0.1}]}
  - {kind: iot_job, id: aborted-job, region: eu-west-1, items: 800, abort_percentage: 50, reason_code: WRONG_IMAGE,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 10m, status: CANCELED, done: 0.2, failed: 0.1}]}
  - {kind: iot_job, id: waiting-job, region: eu-west-1, items: 800,
     timeline: [{at: 0s, status: SCHEDULED}]}
  - {kind: greengrass_deployment, id: moving-v2, region: us-east-1, account: "444455556666", items: 400,
     allowed_retries: {FAILED: 0},
     continuous: true, timeline: [{at: 0s, status: ACTIVE}, {at: 150m, status: COMPLETED, done: 1.0, failed: 0.1}]}
faults:
  - {account: "444455556666", api: ListJobs, error: AccessDeniedException, status: 403}
  - {api: DescribeJob, id: waiting-job, replace: {job.schedulingConfig: {startTime: "2030-01-01T00:00:00Z"}}}
"""
# The credentials of a role are valid for an hour. botocore uses the real clock and would not renew them.
MINUTES = 55
PAIR = ("a:10098", "b:10098")


def record_pair(folder: Path) -> Recording:
    """Return an hour of data of the fleet, which both exporters of the pair have."""
    with restartable_exporter(SCENARIO, folder / "state.db") as restarts, restarts.exporter(CONFIG) as exporter:
        return record(exporter, MINUTES, PAIR, folder)
