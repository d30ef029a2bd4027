"""The exact samples of an operation from a response of AWS."""

from tests.support.exporter_server import serve_exporter
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import serve_app

TASK = {
    "taskId": "a1b2",
    "creationDate": 1766000000.5,
    "lastModifiedDate": 1766000600,
    "templateBody": "{}",
    "inputFileBucket": "onboarding",
    "inputFileKey": 'week "47"/things.jsonl',
    "roleArn": "arn:aws:iam::111122223333:role/provisioning",
    "status": "InProgress",
    "message": "words",
    "successCount": 198204,
    "failureCount": 1796,
    "percentageProgress": 57,
}
DEPLOYMENT = {
    "BulkDeploymentStatus": "Completed",
    "BulkDeploymentMetrics": {"RecordsProcessed": 5000, "InvalidInputRecords": 20, "RetryAttempts": 7},
    "CreatedAt": "2019-06-25T16:11:33.265Z",
    "ErrorMessage": "words",
    "ErrorDetails": [
        {"DetailedErrorCode": "InvalidInput", "DetailedErrorMessage": "words"},
        {"DetailedErrorCode": "InvalidInput", "DetailedErrorMessage": "more words"},
        {"DetailedErrorCode": "arn:aws:iam::111122223333:role/x", "DetailedErrorMessage": "words"},
    ],
    "tags": {"team": "gateways", "cost-center": "7"},
}
TASK_CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a1b2]}]}]
"""
DEPLOYMENT_CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: greengrass_bulk_deployment, ids: [4c0f], details: true}]}]
labels: {tags: [team, site]}
"""
SAME = 'aws_account_id="111122223333",aws_region="eu-west-1"'


def rows_of(config: str, responses: dict[str, object]) -> list[str]:
    aws = ScriptedAws({path: json_response(content) for path, content in responses.items()})
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        return exporter.operations().splitlines()


def test_a_registration_task_is_exposed_with_status_progress_times_and_counts() -> None:
    labels = f'{SAME},id="a1b2",kind="thing_registration_task"'
    info = (
        f'{SAME},id="a1b2",input="s3://onboarding/week \\"47\\"/things.jsonl",job_id="",'
        'kind="thing_registration_task",name="",reason_code="",target=""'
    )
    assert rows_of(TASK_CONFIG, {"/thing-registration-tasks/a1b2": TASK}) == [
        f'aws_iot_bulk_operation_status{{{labels},status="InProgress"}} 1.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Completed"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Failed"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Cancelled"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Cancelling"}} 0.0',
        f'aws_iot_bulk_operation_status{{{labels},status="Unknown"}} 0.0',
        f"aws_iot_bulk_operation_progress_ratio{{{labels}}} 0.57",
        f"aws_iot_bulk_operation_created_timestamp_seconds{{{labels}}} 1.7660000005e+09",
        f"aws_iot_bulk_operation_updated_timestamp_seconds{{{labels}}} 1.7660006e+09",
        f"aws_iot_bulk_operation_continuous{{{labels}}} 0.0",
        f"aws_iot_bulk_operation_info{{{info}}} 1.0",
        f"aws_iot_thing_registration_task_succeeded_things{{{labels}}} 198204.0",
        f"aws_iot_thing_registration_task_failed_things{{{labels}}} 1796.0",
    ]


def test_a_bulk_deployment_is_exposed_with_counts_errors_groups_and_chosen_tags() -> None:
    labels = f'{SAME},id="4c0f",kind="greengrass_bulk_deployment"'
    code = f'{SAME},code="{{}}",id="4c0f",kind="greengrass_bulk_deployment"'
    info = (
        f'{SAME},id="4c0f",input="",job_id="",kind="greengrass_bulk_deployment",name="",reason_code="",'
        'tag_site="",tag_team="gateways",target=""'
    )
    reports = {"Deployments": [{"DeploymentStatus": status} for status in ("Success", "Success", "Failure", "New")]}
    path = "/greengrass/bulk/deployments/4c0f"
    rows = rows_of(DEPLOYMENT_CONFIG, {f"{path}/status": DEPLOYMENT, f"{path}/detailed-reports": reports})
    assert [row for row in rows if "_status{" not in row] == [
        f"aws_iot_bulk_operation_created_timestamp_seconds{{{labels}}} 1.561479093265e+09",
        f"aws_iot_bulk_operation_continuous{{{labels}}} 0.0",
        f"aws_iot_bulk_operation_info{{{info}}} 1.0",
        f"aws_greengrass_bulk_deployment_processed_records{{{labels}}} 5000.0",
        f"aws_greengrass_bulk_deployment_invalid_input_records{{{labels}}} 20.0",
        f"aws_greengrass_bulk_deployment_retry_attempts{{{labels}}} 7.0",
        f"aws_greengrass_bulk_deployment_errors{{{code.format('InvalidInput')}}} 2.0",
        f"aws_greengrass_bulk_deployment_errors{{{code.format('Other')}}} 1.0",
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="Building"}} 0.0',
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="InProgress"}} 0.0',
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="Success"}} 2.0',
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="Failure"}} 1.0',
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="Unknown"}} 1.0',
    ]
    assert f'aws_iot_bulk_operation_status{{{labels},status="Completed"}} 1.0' in rows


def test_a_new_status_is_unknown_and_exactly_one_status_is_set() -> None:
    rows = rows_of(TASK_CONFIG, {"/thing-registration-tasks/a1b2": {**TASK, "status": "Paused"}})
    statuses = [row for row in rows if "_status{" in row]
    assert [row.rpartition('status="')[2] for row in statuses if row.endswith(" 1.0")] == ['Unknown"} 1.0']


def test_a_missing_count_has_no_sample() -> None:
    only_status = {"taskId": "a1b2", "status": "Failed", "successCount": None}
    rows = rows_of(TASK_CONFIG, {"/thing-registration-tasks/a1b2": only_status})
    names = {row.partition("{")[0] for row in rows}
    assert names == {"aws_iot_bulk_operation_status", "aws_iot_bulk_operation_info"}


def test_a_final_operation_has_only_its_status_and_the_states_with_items() -> None:
    done = {**DEPLOYMENT, "ErrorDetails": []}
    labels = f'{SAME},id="4c0f",kind="greengrass_bulk_deployment"'
    path = "/greengrass/bulk/deployments/4c0f"
    responses = {f"{path}/status": done, f"{path}/detailed-reports": {"Deployments": [{"DeploymentStatus": "Success"}]}}
    rows = [row for row in rows_of(DEPLOYMENT_CONFIG, responses) if "_info{" not in row]
    assert rows == [
        f'aws_iot_bulk_operation_status{{{labels},status="Completed"}} 1.0',
        f"aws_iot_bulk_operation_created_timestamp_seconds{{{labels}}} 1.561479093265e+09",
        f"aws_greengrass_bulk_deployment_processed_records{{{labels}}} 5000.0",
        f"aws_greengrass_bulk_deployment_invalid_input_records{{{labels}}} 20.0",
        f"aws_greengrass_bulk_deployment_retry_attempts{{{labels}}} 7.0",
        f'aws_greengrass_bulk_deployment_groups{{{labels},status="Success"}} 1.0',
    ]
