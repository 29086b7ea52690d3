"""Side channel to Asterisk over AMI: sets channel variables, asks for lists, has calls placed.

Takes an account of manager.conf; gives `PbxControl`. What is set there outlives the bot: should it die, the
dialplan still knows topic and dossier. Nothing here may cost a caller anything: every wait has a deadline,
a missing, slow or refusing AMI is logged and counted, and connections are made in the background by `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ivrbot.errors import ProtocolError
from ivrbot.metrics import PBX_FAILURES
from ivrbot.telephony.wire.ami import AmiMessage, AmiParser, clean_value, encode_action

log = logging.getLogger(__name__)

READ_BYTES = 65536
MAX_PENDING = 1000
MAX_LISTED = 20_000
_VARIABLE = re.compile(r"_{0,2}[A-Z][A-Z0-9_]{0,60}")
_CHANNEL = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class AmiAccount:
    """Where and as whom to log in.

    Attributes:
        host: address of Asterisk's manager.
        port: its TCP port.
        username: section of manager.conf.
        secret: its secret; not shown when the account is printed.
    """

    host: str
    port: int
    username: str
    secret: str

    def __repr__(self) -> str:
        return f"AmiAccount({self.username}@{self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class AmiTiming:
    """Deadlines and pauses.

    Attributes:
        connect_ms: for connecting and logging in.
        reply_ms: for the answer to an action.
        backoff_ms: pause after the first failed connection; doubles with each.
        backoff_max_ms: longest pause.
    """

    connect_ms: int = 2000
    reply_ms: int = 1000
    backoff_ms: int = 500
    backoff_max_ms: int = 30000


@dataclass(slots=True)
class _Question:
    """An action that waits for its answer.

    Attributes:
        answer: the response; of a list only when the list is whole.
        listed: events follow the response.
    """

    answer: asyncio.Future[AmiMessage]
    listed: bool = False
    events: list[AmiMessage] = field(default_factory=list)
    response: AmiMessage | None = None

    def take(self, message: AmiMessage) -> None:
        """A message that carries this action's id."""
        if message.get("Response"):
            self.response = message
            if not self.listed or message.get("Response") != "Success":
                self.answer.set_result(message)
        elif self.listed and self.response is not None:
            if message.get("EventList") == "Complete":
                self.answer.set_result(self.response)
            elif len(self.events) < MAX_LISTED:
                self.events.append(message)


class _Refused(Exception):
    """The server said no to the log-in."""


class AmiControl:
    """`ivrbot.ports.PbxControl` over AMI.

    `run` must be running for anything to be set. Failures are counted in `failures` and in the metric, by cause:
    "offline", "timeout", "rejected" (no such channel now, no permission), "bad_name", "connect", "login", "lost".
    """

    def __init__(self, account: AmiAccount, timing: AmiTiming | None = None) -> None:
        self._account = account
        self._timing = timing or AmiTiming()
        self._on_event: Callable[[AmiMessage], None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._pending: dict[str, _Question] = {}
        self._last_id = 0
        self._closing = asyncio.Event()
        self._connected = asyncio.Event()
        self.failures: Counter[str] = Counter()

    def listen(self, on_event: Callable[[AmiMessage], None]) -> None:
        """Want events of operators' telephones; the account must be allowed to read the class "agent".

        Args:
            on_event: told of each; must return at once and never raise.
        """
        self._on_event = on_event

    @property
    def connected(self) -> bool:
        """Whether actions can be sent now."""
        return self._connected.is_set()

    async def wait_connected(self, timeout_ms: int) -> bool:
        """Wait for the log-in; False when it did not succeed in time."""
        try:
            await asyncio.wait_for(self._connected.wait(), timeout_ms / 1000)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until `close`."""
        pause_ms = self._timing.backoff_ms
        while not self._closing.is_set():
            try:
                if await self._session():
                    pause_ms = self._timing.backoff_ms
                cause = "lost"
            except _Refused:
                cause = "login"
            except (OSError, TimeoutError, ProtocolError) as error:
                log.debug("ami connection ended: %s", type(error).__name__)
                cause = "lost" if self.connected else "connect"
            finally:
                self._disconnect()
            if self._closing.is_set():
                return
            self._fail(cause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause_ms / 1000)
            pause_ms = min(pause_ms * 2, self._timing.backoff_max_ms)

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel variable. Failure is logged and counted, never raised.

        Args:
            channel: Asterisk's channel name; "" (a call without a PBX) is ignored.
            name: capitals, digits and underscores; "__" in front lets the operator's channel inherit it.
            value: text; line ends become spaces, 512 bytes are kept.
        """
        if not channel:
            return
        if not _VARIABLE.fullmatch(name) or not _CHANNEL.fullmatch(channel):
            # a name like SHELL(...) would be a function call
            self._fail("bad_name")
            return
        await self.act("Setvar", (("Channel", channel), ("Variable", name), ("Value", clean_value(value))))

    async def act(self, action: str, fields: Sequence[tuple[str, str]]) -> bool:
        """Have something done; False when it was not, which is logged and counted, never raised.

        Args:
            action: its name ("Originate").
            fields: further fields in order; values are one line each.
        """
        return await self._answered(action, fields) is not None

    async def ask_list(self, action: str, fields: Sequence[tuple[str, str]] = ()) -> tuple[AmiMessage, ...] | None:
        """Ask for a list ("QueueStatus"); None when there is no whole answer, which is logged and counted.

        Args:
            action: one whose answer says "EventList: start" and ends with an event that says "Complete".
            fields: further fields in order.
        """
        answer = await self._answered(action, fields, listed=True)
        return None if answer is None else answer[1]

    async def _answered(
        self, action: str, fields: Sequence[tuple[str, str]], *, listed: bool = False
    ) -> tuple[AmiMessage, tuple[AmiMessage, ...]] | None:
        """The answer to an action and the list behind it; None for a failure of any kind."""
        writer = self._writer
        if writer is None or not self.connected:
            self._fail("offline")
            return None
        question = _Question(asyncio.get_running_loop().create_future(), listed)
        try:
            reply = await self._ask(writer, action, fields, question)
        except TimeoutError:
            self._fail("timeout")
            # a server that does not answer is gone: a new connection is the only way to find out
            writer.close()
            return None
        if reply is None or reply.get("Response") != "Success":
            self._fail("rejected" if reply is not None else "lost")
            return None
        return reply, tuple(question.events)

    async def close(self) -> None:
        """Disconnect; `run` returns. Idempotent."""
        self._closing.set()
        if self._writer is not None and self.connected:
            with contextlib.suppress(OSError):
                self._writer.write(encode_action("Logoff", ()))
        self._disconnect()

    async def _session(self) -> bool:
        """One connection from log-in to loss; gives whether the log-in had succeeded."""
        reader, writer = await self._connect()
        self._writer = writer
        parser = AmiParser()
        login: asyncio.Future[AmiMessage] = asyncio.get_running_loop().create_future()
        self._pending["login"] = _Question(login)
        wanted = "off" if self._on_event is None else "agent"  # of operators' telephones, nothing else
        fields = (("ActionID", "login"), ("Username", self._account.username), ("Secret", self._account.secret))
        writer.write(encode_action("Login", (*fields, ("Events", wanted))))
        deadline = asyncio.get_running_loop().time() + self._timing.connect_ms / 1000
        while not login.done():
            async with asyncio.timeout_at(deadline):
                data = await reader.read(READ_BYTES)
            if not data:
                raise ConnectionResetError
            self._take(parser.feed(data))
        del self._pending["login"]
        if login.result().get("Response") != "Success":
            raise _Refused
        self._connected.set()
        log.info("ami connected to %s:%d", self._account.host, self._account.port)
        while data := await reader.read(READ_BYTES):
            self._take(parser.feed(data))
        return True

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self._account.host, self._account.port)
        return await asyncio.wait_for(opening, self._timing.connect_ms / 1000)

    async def _ask(
        self,
        writer: asyncio.StreamWriter,
        action: str,
        fields: Sequence[tuple[str, str]],
        question: _Question,
    ) -> AmiMessage | None:
        """Send an action and wait for its answer; None when the connection was lost meanwhile."""
        if len(self._pending) >= MAX_PENDING:
            raise TimeoutError
        self._last_id += 1
        name = str(self._last_id)
        answer = question.answer
        self._pending[name] = question
        try:
            writer.write(encode_action(action, (("ActionID", name), *fields)))
            done, _ = await asyncio.wait({answer}, timeout=self._timing.reply_ms / 1000)
        finally:
            self._pending.pop(name, None)
        if not done:
            raise TimeoutError
        return None if answer.cancelled() else answer.result()

    def _take(self, messages: tuple[AmiMessage, ...]) -> None:
        for message in messages:
            question = self._pending.get(message.get("ActionID"))
            if question is not None and not question.answer.done():
                question.take(message)
            elif self._on_event is not None and message.get("Event"):
                self._on_event(message)

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        self._connected.clear()
        for question in self._pending.values():
            question.answer.cancel()
        self._pending.clear()
        if writer is not None:
            writer.close()

    def _fail(self, cause: str) -> None:
        self.failures[cause] += 1
        PBX_FAILURES.labels(cause).inc()
        # the first of each kind is news, the rest would flood the log while the PBX is away
        level = logging.WARNING if self.failures[cause] == 1 else logging.DEBUG
        log.log(level, "ami: %s (%d so far)", cause, self.failures[cause])
