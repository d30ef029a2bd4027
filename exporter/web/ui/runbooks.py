"""The runbooks of the alerts. ``make documents`` renders them as HTML, so that the exporter needs no parser."""

from importlib.resources import files
from typing import Final

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exporter.web.responses import HTML_HEADERS, negotiated_response
from exporter.web.ui.links import page_links

RUNBOOKS: Final = "/runbooks/"
# The file with the list of all runbooks.
INDEX: Final = "index"
# The pages are one level below the root.
ROOT: Final = "../"
SUFFIX: Final = ".html"
FOLDER: Final = files("exporter.web.ui").joinpath("runbooks")


def runbook_routes(environment: Environment, metrics_path: str) -> list[Route]:
    """Return the routes of the runbooks and of their list."""
    names = runbook_names()
    links = page_links(ROOT, metrics_path)

    def render(request: Request, name: str, status: int, **content: str) -> Response:
        markup = FOLDER.joinpath(name + SUFFIX).read_text(encoding="utf-8")
        template = environment.get_template("runbook.html")
        text = template.render(root=ROOT, links=links, pages={}, name=name, markup=markup, **content)
        return negotiated_response(request, [text.encode()], HTML_HEADERS, status)

    async def index(request: Request) -> Response:
        return render(request, INDEX, 200, unknown="")

    async def runbook(request: Request) -> Response:
        # The links of alerts that lead to a copy of docs/runbooks end with the suffix of Markdown.
        name = request.path_params["name"].removesuffix(".md")
        return render(request, name, 200, unknown="") if name in names else render(request, INDEX, 404, unknown=name)

    async def add_slash(request: Request) -> Response:
        # A relative address, because the exporter does not know its address outside a reverse proxy.
        return RedirectResponse(RUNBOOKS.removeprefix("/"), 308)

    return [Route(RUNBOOKS, index), Route(f"{RUNBOOKS}{{name}}", runbook), Route(RUNBOOKS.rstrip("/"), add_slash)]


def runbook_names() -> frozenset[str]:
    """Return the names of the alerts that have a runbook."""
    return frozenset(file.name.removesuffix(SUFFIX) for file in FOLDER.iterdir()) - {INDEX}
