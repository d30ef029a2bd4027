"""A real Prometheus with the shipped rules treats a status that AWS adds later as active."""

from pathlib import Path

from exporter.cli.drill.speed_up import speed_up
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rules import rules
from tests.support.exporter_server import serve_exporter
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

# A window of 30 minutes lasts 10 seconds.
SPEED = 180
TASK = {
    "taskId": "a1b2",
    "status": "PausedByQuota",
    "creationDate": 1_700_000_000,
    "lastModifiedDate": 1_700_000_000,
    "successCount": 6940,
    "failureCount": 771,
    "percentageProgress": 57,
}
CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a1b2]}]}]
refresh: {min_age: 500ms}
"""
EXPECTED = {
    "AwsIotBulkOperationStatusUnknown",
    "AwsIotBulkOperationStalled",
    "AwsIotBulkOperationRunningLong",
    "AwsIotBulkFailureRatioHigh",
}


def test_an_operation_with_a_status_of_tomorrow_fires_the_alerts_of_an_active_one(tmp_path: Path) -> None:
    rule_file = tmp_path / "rules.yaml"
    rule_file.write_text(prometheus_rules(speed_up(rules(KINDS), SPEED)))
    aws = ScriptedAws({"/thing-registration-tasks/a1b2": json_response(TASK)})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule_file)],
            "scrape_configs": [
                {"job_name": "aws-iot-bulk", "static_configs": [{"targets": [exporter.url.partition("//")[2]]}]}
            ],
        }
        with run_configured_prometheus(tmp_path, config) as url:

            def firing() -> set[str] | None:
                # The exporter reads the task again only if its clock moves.
                exporter.clock.advance(60)
                series = query_series(url, 'ALERTS{alertstate="firing", alertname=~"AwsIotBulk(Operation|Failure).*"}')
                names = {row["metric"]["alertname"] for row in series}
                return names if names >= EXPECTED else None

            assert wait_until(firing, "the alerts") == EXPECTED
            assert query_series(url, "operation:aws_iot_bulk_running:max")
