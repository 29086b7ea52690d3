"""SIP telephones: SIPp signals, by the scenarios of this folder.

`Caller` places one call and speaks through `rtp.Phone`; `OperatorPhone` is an operator's telephone that a queue
rings; `place_crowd` places many calls at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.rtp import Phone
from tests.integration.asterisk.server import HOST, clean_environment, free_port

SCENARIOS = Path(__file__).parent / "scenarios"
POLL_S = 0.02
STOP_TIMEOUT_S = 30.0
PATIENCE_S = 30.0
"""For what takes milliseconds on a machine that does nothing else."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One message of SIPp's trace.

    Attributes:
        at_s: seconds since the epoch.
        received: from the other side, or sent by us.
        first_line: request or status line.
        headers: by lower-case name; the last one wins.
        body: SDP or "".
    """

    at_s: float
    received: bool
    first_line: str
    headers: dict[str, str]
    body: str

    @property
    def method(self) -> str:
        """Method of a request; "" for a response."""
        return "" if self.first_line.startswith("SIP/2.0") else self.first_line.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """Status of a response; 0 for a request."""
        return int(self.first_line.split(" ")[1]) if self.first_line.startswith("SIP/2.0") else 0


_ENTRY = re.compile(
    r"^-{20,} (?P<at>\d{4}-\d\d-\d\d[T\s]\d\d:\d\d:\d\d\.\d+Z?)\r?\n"
    r"UDP message (?P<way>received \[\d+\] bytes|sent(?: \(\d+ bytes\)| \[\d+\] bytes)?) ?:\r?\n\r?\n",
    re.MULTILINE,
)


def parse_trace(text: str) -> list[SipMessage]:
    """Messages of a file written by SIPp's -trace_msg."""
    marks = list(_ENTRY.finditer(text))
    messages = []
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        head, _, body = text[mark.end() : end].replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.split("\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, mark_, value in (line.partition(":") for line in lines)
            if mark_
        }
        at = datetime.fromisoformat(re.sub(r"\s", " ", mark["at"])).astimezone()
        messages.append(SipMessage(at.timestamp(), mark["way"].startswith("received"), first, headers, body))
    return messages


class Sipp:
    """One SIPp process and its trace."""

    def __init__(self, installation: Installation, scenario: str, host: str = HOST) -> None:
        self._installation = installation
        self._host = host
        self.folder = Path(tempfile.mkdtemp(prefix="sipp-"))
        self.port = free_port()
        self._scenario = scenario
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> None:
        """Start it; it listens when this returns."""
        scenario = self.folder / "scenario.xml"
        scenario.write_text(self._scenario)
        with (self.folder / "screen.log").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *self._installation.command("usr/bin/sipp"),
                *arguments,
                *("-sf", str(scenario), "-i", self._host, "-p", str(self.port), "-nostdin"),
                *("-trace_msg", "-message_file", str(self.folder / "messages.log")),
                *("-trace_err", "-error_file", str(self.folder / "errors.log")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                cwd=self.folder,
                env=clean_environment(),
            )

    @property
    def exit_code(self) -> int | None:
        """Exit code, None while it runs. 0: every call went as the scenario says."""
        return self._process.returncode if self._process else None

    def messages(self) -> list[SipMessage]:
        """Everything sent and received so far."""
        path = self.folder / "messages.log"
        return parse_trace(path.read_text(errors="replace")) if path.exists() else []

    async def until(self, wanted: Callable[[SipMessage], bool], timeout_s: float) -> SipMessage:
        """The first message that fits, waiting for it.

        Raises:
            TimeoutError: it did not come; carries the first lines of those that did.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            messages = self.messages()
            found = next((message for message in messages if wanted(message)), None)
            if found is not None:
                return found
            if loop.time() > deadline:
                raise TimeoutError(
                    f"not within {timeout_s} s; so far: {[m.first_line for m in messages]}{self.errors()}"
                )
            await asyncio.sleep(POLL_S)

    def errors(self) -> str:
        """What SIPp complained about."""
        texts = [
            path.read_text(errors="replace") for path in self.folder.glob("*.log") if path.name != "messages.log"
        ]
        return "".join("\n" + text[-1500:] for text in texts)

    def poke(self, call_id: str) -> None:
        """Send the scenario the INFO request that means "go on"."""
        text = (
            f"INFO sip:test@{HOST}:{self.port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:9;branch=z9hG4bK{uuid.uuid4().hex}\r\n"
            f"From: <sip:test@{HOST}>;tag=test\r\nTo: <sip:test@{HOST}>\r\nCall-ID: {call_id}\r\n"
            "CSeq: 99 INFO\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), (self._host, self.port))

    async def finished(self, timeout_s: float) -> int:
        """Exit code, waiting for it.

        Raises:
            TimeoutError: still running.
        """
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), timeout_s)

    async def stop(self) -> None:
        """End it, whatever it does. Idempotent."""
        process, self._process = self._process, None
        try:
            if process is not None and process.returncode is None:
                process.kill()
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class Caller:
    """One caller; an asynchronous context manager that dials on entry and hangs up on exit.

    Attributes:
        phone: his sound: `say`, `press`, `said`, `heard`, `save`.
        call_id: SIP Call-ID.
    """

    def __init__(
        self,
        installation: Installation,
        sip_port: int,
        number: str = "+79990000000",
        called: str = "84950000000",
        name: str = "",
        source: str = HOST,
    ) -> None:
        self._sipp = Sipp(installation, (SCENARIOS / "caller.xml").read_text(), source)
        self._sip_port = sip_port
        self._number, self._called, self._name = number, called, name
        self.call_id = f"{uuid.uuid4().hex}@{HOST}"
        self.phone: Phone
        self.dialled_s = 0.0

    async def __aenter__(self) -> Caller:
        self.phone = await Phone.open()
        try:
            self.dialled_s = asyncio.get_running_loop().time()
            keys = {"called": self._called, "caller": self._number, "caller_name": self._name}
            keys["rtp_port"] = str(self.phone.port)
            pairs = [part for name, value in keys.items() for part in ("-key", name, value)]
            await self._sipp.start(f"{HOST}:{self._sip_port}", "-m", "1", "-cid_str", self.call_id, *pairs)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._sipp.exit_code is None:
                self._sipp.poke(self.call_id)
                with contextlib.suppress(TimeoutError):  # never answered: the process is ended below
                    await self._sipp.finished(2.0)
        finally:  # also when another call has failed and this one is cancelled meanwhile
            await self._close()

    async def _close(self) -> None:
        try:
            await self._sipp.stop()
        finally:
            await self.phone.close()

    async def answered(self, timeout_s: float = PATIENCE_S) -> float:
        """Wait for 200 OK, connect the sound; gives that moment of the loop's clock."""
        answer = await self._sipp.until(
            lambda m: m.received and m.status == 200 and "m=audio" in m.body, timeout_s
        )
        port = re.search(r"^m=audio (\d+)", answer.body, re.MULTILINE)
        assert port is not None
        self.phone.connect(HOST, int(port[1]))
        return asyncio.get_running_loop().time()

    async def hung_up_on(self, timeout_s: float = PATIENCE_S) -> SipMessage:
        """Wait until the other side hangs up; gives its BYE."""
        return await self._sipp.until(lambda m: m.received and m.method == "BYE", timeout_s)

    async def refused(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for an answer of 400 or above; gives its status."""
        return (await self._sipp.until(lambda m: m.received and m.status >= 400, timeout_s)).status

    def was_hung_up_on(self) -> bool:
        """Whether the other side has hung up."""
        return any(m.received and m.method == "BYE" for m in self._sipp.messages())

    async def hang_up(self, timeout_s: float = PATIENCE_S) -> None:
        """Hang up now and wait until that is confirmed."""
        self._sipp.poke(self.call_id)
        await self._sipp.finished(timeout_s)

    def messages(self) -> list[SipMessage]:
        """The SIP messages so far."""
        return self._sipp.messages()


class OperatorPhone:
    """An operator's telephone; an asynchronous context manager. It takes any number of calls, one after another.

    It picks up after `ring_ms`, echoes the caller's sound and hangs up when the other side does.
    """

    def __init__(self, installation: Installation, ring_ms: int = 200) -> None:
        scenario = (SCENARIOS / "operator.xml").read_text().replace("RING_MS", str(ring_ms))
        self._sipp = Sipp(installation, scenario)

    @property
    def port(self) -> int:
        """Its SIP port, for `Site.operators`."""
        return self._sipp.port

    async def __aenter__(self) -> OperatorPhone:
        try:
            await self._sipp.start("-mp", str(free_port()), "-rtp_echo")
        except BaseException:
            await self._sipp.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sipp.stop()

    def rings(self) -> list[SipMessage]:
        """Every INVITE so far: headers by lower-case name ("x-bot-topic"), `at_s` since the epoch."""
        return [m for m in self._sipp.messages() if m.received and m.method == "INVITE"]

    async def rung(self, timeout_s: float = PATIENCE_S) -> SipMessage:
        """Wait for the first INVITE."""
        return await self._sipp.until(lambda m: m.received and m.method == "INVITE", timeout_s)

    async def talking(self, timeout_s: float = PATIENCE_S) -> SipMessage:
        """Wait until the first call is established; gives its ACK."""
        return await self._sipp.until(lambda m: m.received and m.method == "ACK", timeout_s)

    async def answered(self, timeout_s: float = PATIENCE_S) -> SipMessage:
        """Wait until the first call is picked up; gives its 200, before which nothing can follow from that."""
        return await self._sipp.until(
            lambda m: not m.received and " 200 " in m.first_line and "INVITE" in m.headers["cseq"], timeout_s
        )

    def messages(self) -> list[SipMessage]:
        """The SIP messages so far."""
        return self._sipp.messages()


@dataclass(frozen=True, slots=True)
class CrowdResult:
    """How a crowd of calls went.

    Attributes:
        exit_code: SIPp's: 0 when every call went through, was answered and lasted.
        answered: calls that got 200 OK.
        dropped: calls that the other side ended.
    """

    exit_code: int
    answered: int
    dropped: int


async def place_crowd(
    installation: Installation,
    sip_port: int,
    alaw: bytes,
    calls: int,
    hold_ms: int,
    called: str = "84950000000",
    caller_prefix: str = "+7999",
    per_second: int = 10,
) -> CrowdResult:
    """Place many calls at once, each playing the same sound in a loop.

    Args:
        installation: the unpacked root.
        sip_port: Asterisk's.
        alaw: sound, A-law 8 kHz; must not be empty.
        calls: how many.
        hold_ms: how long each lasts.
        called: dialled number.
        caller_prefix: callers are this followed by 1, 2, 3...
        per_second: how many begin in a second.

    Returns:
        How they went.
    """
    scenario = (SCENARIOS / "crowd.xml").read_text().replace("HOLD_MS", str(hold_ms))
    sipp = Sipp(installation, scenario.replace("SOUND_FILE", "sound.alaw"))
    (sipp.folder / "sound.alaw").write_bytes(alaw)
    try:
        await sipp.start(
            *(f"{HOST}:{sip_port}", "-m", str(calls), "-l", str(calls), "-r", str(per_second)),
            *("-key", "called", called, "-key", "caller_prefix", caller_prefix),
            *("-min_rtp_port", "12000", "-max_rtp_port", "19999"),
        )
        code = await sipp.finished(calls / per_second + hold_ms / 1000 + 30)
        messages = sipp.messages()
        answered = {
            m.headers["call-id"] for m in messages if m.received and m.status == 200 and "m=audio" in m.body
        }
        dropped = {m.headers["call-id"] for m in messages if m.received and m.method == "BYE"}
        return CrowdResult(code, len(answered), len(dropped))
    finally:
        await sipp.stop()
