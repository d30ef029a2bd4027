"""Compiles the patterns of a JSON schema with JavaScript, as Ajv does."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.support.repository import program

# Ajv sets the flag u, which forbids escapes of characters that need none.
SCRIPT = """
const faults = JSON.parse(require("fs").readFileSync(0, "utf8")).filter((pattern) => {
    try { return !new RegExp(pattern, "u") } catch { return true }
});
console.log(JSON.stringify(faults))
"""


def patterns(schema: Any) -> Iterator[str]:
    """Yield every pattern of a schema."""
    if isinstance(schema, list):
        for member in schema:
            yield from patterns(member)
    elif isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from schema.get("patternProperties", {})
        for member in schema.values():
            yield from patterns(member)


def patterns_that_javascript_refuses(schema: Any) -> list[str]:
    """Return the patterns of a schema that JavaScript cannot compile."""
    command = [program("node"), "--eval", SCRIPT]
    text = json.dumps(sorted({*patterns(schema)}))
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60)
    refused: list[str] = json.loads(done.stdout)
    return refused
