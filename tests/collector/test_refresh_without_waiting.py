"""A page that waits for nothing judges nothing before its time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: greengrass_bulk_deployment, ids: [old]}, {kind: thing_registration_task, ids: [slow]}]
"""
DENIED = JSONResponse({"message": "no"}, 403, {"x-amzn-errortype": "AccessDeniedException"})


def test_a_kind_is_not_taken_for_ended_while_its_neighbour_has_yet_to_fail_the_same_way() -> None:
    go_on = threading.Event()

    async def refuse(request: Request) -> Response:
        return DENIED

    async def refuse_late(request: Request) -> Response:
        await asyncio.to_thread(go_on.wait)
        return DENIED

    routes = [Route("/greengrass/{path:path}", refuse), Route("/thing-registration-tasks/slow", refuse_late)]
    with serve_app(Starlette(routes=routes)) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:

        def refused(number: int) -> Any:
            cells = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
            return cells if sum(cell["duration"] is not None for cell in cells) == number else None

        wait_until(lambda: refused(1), "the first refusal")
        early = refused(1)[0]
        go_on.set()
        both = wait_until(lambda: refused(2), "both refusals")
    assert early["reasons"] == ["access_denied"]
    assert [cell["reasons"] for cell in both] == [["access_denied"], ["access_denied"]]
