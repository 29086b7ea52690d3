"""Both gateways keep the contract; and what each promises besides."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ivrbot.errors import SmsUnavailable
from ivrbot.sms.file_drop import KEPT_S, FileDropSms
from ivrbot.sms.http import FIRST_SHARE, HttpSms, SmsService
from tests.contract.sms import NUMBER, TEXT, SmsContract
from tests.fakes.calls import Clock
from tests.fakes.waiting import until

DEADLINE_S = 20
"""Of a message; long enough for a busy machine, put forward where it is the subject."""


@dataclass
class FolderLine:
    folder: Path
    gateway: FileDropSms

    async def arrived(self) -> list[tuple[str, str, str]]:
        messages = [json.loads(file.read_text("utf-8")) for file in sorted(self.folder.glob("*.json"))]
        return [(one["to"], one["text"], one["id"]) for one in messages]

    async def break_it(self) -> None:
        self.folder.parent.mkdir(exist_ok=True, parents=True)
        self.folder.write_text("a file where the folder should be", "utf-8")


class TestFileDrop(SmsContract):
    @pytest.fixture
    def line(self, tmp_path: Path) -> FolderLine:
        folder = tmp_path / "var" / "sms"
        return FolderLine(folder, FileDropSms(folder))

    async def test_only_the_owner_may_read_and_no_draft_stays(self, line: FolderLine) -> None:
        await line.gateway.send(NUMBER, TEXT)
        [file] = line.folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(line.folder.stat().st_mode) == 0o700

    async def test_what_nobody_picked_up_goes_after_an_hour(self, line: FolderLine) -> None:
        await line.gateway.send(NUMBER, "old")
        [old] = line.folder.iterdir()
        before_s = time.time() - KEPT_S - 1
        os.utime(old, (before_s, before_s))
        await line.gateway.send(NUMBER, "new")
        assert [text for _, text, _ in await line.arrived()] == ["new"]

    async def test_the_check_leaves_nothing_behind(self, line: FolderLine) -> None:
        assert str(line.folder) in await line.gateway.check()
        assert list(line.folder.iterdir()) == []
        line.folder.rmdir()
        await line.break_it()
        with pytest.raises(SmsUnavailable):
            await line.gateway.check()


@dataclass
class ServiceLine:
    """A service that answers as it is told to."""

    server: TestServer
    gateway: HttpSms
    seen: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    slow: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append(await request.json())
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.slow is not None:
            await self.slow.wait()
        status = self.answers.pop(0) if self.answers else 202
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def arrived(self) -> list[tuple[str, str, str]]:
        return [(one["to"], one["text"], one["id"]) for one in self.seen]

    async def break_it(self) -> None:
        await self.server.close()


class TestHttp(SmsContract):
    @pytest.fixture
    async def line(self) -> AsyncIterator[ServiceLine]:
        application = web.Application()
        server = TestServer(application)
        line = ServiceLine(server, HttpSms(SmsService("http://unset.invalid")))
        application.router.add_post("/messages", line.take)
        application.router.add_post("/elsewhere", line.take)
        await server.start_server()
        line.gateway = HttpSms(
            SmsService(str(server.make_url("/messages")), "token-of-the-bank", 1000 * DEADLINE_S)
        )
        yield line
        if line.slow is not None:
            line.slow.set()
        await line.gateway.close()
        await server.close()

    async def test_the_token_goes_with_every_message(self, line: ServiceLine) -> None:
        await line.gateway.send(NUMBER, TEXT)
        assert line.tokens == ["Bearer token-of-the-bank"]

    @pytest.mark.parametrize("status", [500, 503, 429])
    async def test_what_was_not_accepted_is_tried_once_more_with_the_same_id(
        self, line: ServiceLine, status: int
    ) -> None:
        line.answers = [status]
        await line.gateway.send(NUMBER, TEXT)
        (*_, first), (*_, second) = await line.arrived()
        assert first == second

    async def test_twice_not_accepted_is_an_error(self, line: ServiceLine) -> None:
        line.answers = [503, 503, 202]
        with pytest.raises(SmsUnavailable, match="503"):
            await line.gateway.send(NUMBER, TEXT)
        assert len(line.seen) == 2

    @pytest.mark.parametrize("status", [400, 401, 307])
    async def test_a_refusal_is_not_repeated_and_redirects_are_not_followed(
        self, line: ServiceLine, status: int
    ) -> None:
        line.answers = [status]
        with pytest.raises(SmsUnavailable, match=str(status)):
            await line.gateway.send(NUMBER, TEXT)
        assert len(line.seen) == 1

    async def test_a_service_that_hangs_is_given_up_at_the_deadline(self, line: ServiceLine) -> None:
        line.slow = asyncio.Event()
        clock = Clock()
        sending = asyncio.create_task(line.gateway.send(NUMBER, TEXT))
        await until(lambda: len(line.seen) == 1)
        clock.forward(DEADLINE_S * FIRST_SHARE)
        await until(lambda: len(line.seen) == 2)
        assert not sending.done()
        clock.forward(DEADLINE_S * (1 - FIRST_SHARE))
        with pytest.raises(SmsUnavailable, match="in time"):
            async with asyncio.timeout(DEADLINE_S):
                await sending
        first, second = await line.arrived()
        assert first == second

    async def test_the_check_sends_nothing(self, line: ServiceLine) -> None:
        assert "answers" in await line.gateway.check()
        assert line.seen == []
        await line.break_it()
        with pytest.raises(SmsUnavailable):
            await line.gateway.check()
