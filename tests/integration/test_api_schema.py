"""The API against its own description: schemathesis sends what fits and what does not, to a running server.

Nothing may answer 500, and every answer must be one that the description names. Streams do not end: left out.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path

import pytest

from ivrbot.model.call import CallId, CallRegistration
from tests.unit.web_fixture import AT, TOKEN, Site, a_dossier, open_site

pytestmark = pytest.mark.integration

MOST_S = 30
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
)


async def schemathesis(site: Site, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{site.url}/api/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--checks", CHECKS, "--max-time", str(MOST_S)),
        *("--exclude-path-regex", "/events$", "--seed", "1", "--no-color", "--warnings", "off"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode("utf-8", "replace")


async def test_the_api_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where it keeps its examples
    async with open_site(tmp_path, login="always") as site:
        call = CallRegistration(CallId(str(uuid.uuid4())), caller="+79161234567")
        await site.parts.store.register(call, AT)
        await site.parts.store.save_dossier(a_dossier(call_id=call.call_id))
        code, report = await schemathesis(site, "--phases", "examples,coverage,fuzzing")
    assert code == 0, report[-6000:]
