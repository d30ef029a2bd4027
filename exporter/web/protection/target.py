"""The target of a request. The absolute form is served like the origin form (RFC 9112, section 3.2)."""

import re
from urllib.parse import unquote

from starlette.types import Scope

# A URL without its query: a user, which is ignored as in Go, the host with its port, and the path.
ABSOLUTE = re.compile(rb"https?://(?:[^/@]*@)?([^/@]+)(/.*)?", re.IGNORECASE | re.DOTALL)


def with_origin_form(scope: Scope) -> Scope | None:
    """Return the scope of a request with its path only, or None if the target is neither a path nor a URL.

    The host of a URL replaces the Host header (RFC 9112, section 3.2.2).
    """
    if scope["raw_path"].startswith(b"/"):
        return scope
    url = ABSOLUTE.fullmatch(scope["raw_path"])
    if url is None:
        return None
    path = url[2] or b"/"
    headers = [(b"host", url[1]), *((name, value) for name, value in scope["headers"] if name != b"host")]
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii")), "headers": headers}
