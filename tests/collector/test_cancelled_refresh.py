"""A refresh that a reload cancels has no result."""

from botocore.awsrequest import AWSPreparedRequest

from tests.support.held_calls import HeldCalls
from tests.support.scripted_endpoint import HttpResponse, error_response
from tests.support.virtual_exporter import virtual_exporters

CONFIG = """
refresh: {min_age: 10s, refused_max_age: 15m}
accounts: [{account_id: "111122223333", regions: [eu-west-1], watch: [{kind: iot_job, discover: %s}]}]
"""


def test_a_reload_that_cancels_the_refresh_of_a_refused_cell_keeps_its_pace() -> None:
    calls, requests = HeldCalls(), list[str]()

    def refuse(api: str, request: AWSPreparedRequest) -> HttpResponse:
        requests.append(api)
        return error_response("AccessDeniedException", 403)

    with virtual_exporters(refuse) as exporters, exporters.start(CONFIG % "true", calls.begin) as exporter:
        for _ in range(10):
            exporter.loop.pass_time(1000.0)
            exporter.scrape()
        calls.held = []
        exporter.loop.pass_time(1000.0)
        exporter.scrape(patience=0.0)
        assert calls.held
        exporter.texts.append(CONFIG % "{max_operations: 5}")
        assert exporter.get("/-/reload", method="POST").status == 200
        calls.release()
        exporter.scrape()
        requests.clear()
        exporter.loop.pass_time(800.0)
        exporter.scrape()
        assert requests == []
        exporter.loop.pass_time(200.0)
        exporter.scrape()
        assert requests
