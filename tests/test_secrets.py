"""What AWS or the configuration tells in confidence appears in no metric, on no page and in no log line."""

from __future__ import annotations

from tests.support import asking
from tests.support.exporting import exporting
from tests.support.scripted import Answer, ScriptedAws, answer, refusal
from tests.support.servers import serving

SECRETS = (
    "template-SECRET",
    "message-SECRET",
    "role-SECRET",
    "external-SECRET",
    "presigned-SECRET",
    "testing",  # the access key
)
ROLE = "arn:aws:iam::444455556666:role/role-SECRET"
CONFIG = f"""
accounts:
  - account_id: "111122223333"
    watch:
      - {{kind: thing_registration_task, ids: [good, denied, broken, gone]}}
      - {{kind: greengrass_bulk_deployment, ids: [bulk, refused], discover: true, details: true}}
  - name: other
    role_arn: {ROLE}
    external_id: external-SECRET
    watch: [{{kind: thing_registration_task, discover: true}}]
labels: {{tags: [team]}}
"""
PATHS = (
    "/",
    "/api/v1/operations",
    "/api/v1/cells",
    "/api/v1/openapi.json",
    "/-/healthy",
    "/-/ready",
    "/nowhere",
)
PROBE = "/probe?kind=thing_registration_task&account={}&id={}"
WORDS = f"message-SECRET: {ROLE} may not read https://bucket/key?X-Amz-Signature=presigned-SECRET"
TASK = {
    "taskId": "good",
    "status": "Failed",
    "templateBody": "template-SECRET",
    "message": WORDS,
    "roleArn": ROLE,
    "inputFileBucket": "things",
    "inputFileKey": "input.jsonl",
}
BULK = {
    "BulkDeploymentStatus": "Failed",
    "ErrorMessage": WORDS,
    "ErrorDetails": [{"DetailedErrorCode": WORDS, "DetailedErrorMessage": WORDS}],
    "tags": {"team": "gateways", "owner": "message-SECRET"},
}
REPORT = {"DeploymentStatus": "Failure", "ErrorMessage": WORDS, "GroupArn": ROLE}
STS_REFUSAL = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    f"<Code>AccessDenied</Code><Message>{WORDS}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
)
ANSWERS = {
    "/thing-registration-tasks/good": answer(TASK),
    "/thing-registration-tasks/denied": refusal("AccessDeniedException", 403, WORDS),
    "/thing-registration-tasks/broken": Answer(WORDS.encode()),
    "/thing-registration-tasks/gone": refusal("ResourceNotFoundException", 404, WORDS),
    "/greengrass/bulk/deployments/bulk/status": answer(BULK),
    "/greengrass/bulk/deployments/bulk/detailed-reports": answer({"Deployments": [REPORT]}),
    "/greengrass/bulk/deployments/refused/status": answer({"Message": WORDS}, 400),
    "/greengrass/bulk/deployments": answer({"BulkDeployments": WORDS}),
    "/": Answer(STS_REFUSAL.encode(), 403, {"content-type": "text/xml"}),
}


def test_no_secret_leaves_the_exporter() -> None:
    with serving(ScriptedAws(ANSWERS).app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        said = [exporter.scrape(), exporter.scrape(accept="application/openmetrics-text")]
        said += [asking.get(exporter.url + path).text for path in PATHS]
        probes = [("default", id) for id in ("good", "denied", "broken", "gone", "message-SECRET ")] + [
            ("other", "good")
        ]
        said += [asking.get(exporter.url + PROBE.format(*probe)).text for probe in probes]
        said.append(exporter.reload(CONFIG.replace("name: other", "nmae: message-SECRET")).text)
        said.append(exporter.log.getvalue())
    assert 'aws_iot_bulk_operation_status{aws_account_id="111122223333"' in said[0]
    assert 'cell_error{account="other",aws_account_id="444455556666"' in said[0]
    for text in (said[2], said[3]):
        assert "things/input.jsonl" in text
    assert "access_denied" in said[-1]
    assert "malformed" in said[-1]
    for secret in SECRETS:
        assert [text for text in said if secret in text] == []
