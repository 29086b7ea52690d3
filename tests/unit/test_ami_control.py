"""The AMI client against a server on a socket: whatever the server does, the call is not held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from ivrbot.telephony.asterisk import AmiAccount, AmiControl, AmiTiming
from tests.fakes.waiting import until

PATIENT = AmiTiming(connect_ms=10_000, reply_ms=10_000, backoff_ms=1, backoff_max_ms=5)
SHORT = replace(PATIENT, reply_ms=100)
"""Where an answer does not come."""
PATIENCE_S = 10.0
"""Longer than a busy machine takes."""
SECRET = "s3cret"

Answer = Callable[[dict[str, str]], str | None]


def agree(action: dict[str, str]) -> str | None:
    """Accepts the account of these tests, and every variable."""
    good = action["Action"] != "Login" or action["Secret"] == SECRET
    return f"Response: {'Success' if good else 'Error'}\r\nActionID: {action.get('ActionID', '')}\r\n\r\n"


class Server:
    """A manager that answers as told; None closes the connection, "" keeps silent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.actions: list[dict[str, str]] = []
        self.logins = asyncio.Queue[int]()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while data := (await reader.readuntil(b"\r\n\r\n")).decode():
                action = dict(line.split(": ", 1) for line in data.strip().split("\r\n"))
                self.actions.append(action)
                reply = self.answer(action)
                if reply is None:
                    break
                writer.write(reply.encode())
                if action["Action"] == "Login":
                    self.logins.put_nowait(len(self.actions))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            writer.close()


@asynccontextmanager
async def connected(
    answer: Answer = agree, secret: str = SECRET, wait: bool = True, timing: AmiTiming = PATIENT
) -> AsyncIterator[tuple[AmiControl, Server]]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    ami = AmiControl(AmiAccount("127.0.0.1", server.port, "ivrbot", secret), timing)
    async with listener, asyncio.TaskGroup() as tasks:
        tasks.create_task(ami.run())
        if wait:
            assert await ami.wait_connected(10_000)
        yield ami, server
        await ami.close()


async def test_a_variable_is_set_in_one_action() -> None:
    async with connected() as (ami, server):
        await ami.set_variable("PJSIP/trunk-1", "__BOT_TOPIC", "block_card")
        assert not ami.failures
    action = server.actions[1]
    assert action["Action"] == "Setvar"
    assert action["Channel"] == "PJSIP/trunk-1"
    assert action["Variable"] == "__BOT_TOPIC"
    assert action["Value"] == "block_card"


async def test_line_ends_in_a_value_cannot_start_another_action() -> None:
    async with connected() as (ami, server):
        await ami.set_variable("PJSIP/trunk-1", "BOT_REASON", "a\r\n\r\nAction: Originate\r\nChannel: x")
    assert [action["Action"] for action in server.actions] == ["Login", "Setvar", "Logoff"]
    assert server.actions[1]["Value"] == "a Action: Originate Channel: x"


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("PJSIP/trunk-1", "SHELL(id)"),
        ("PJSIP/trunk-1", "bot"),
        ("PJSIP/trunk-1", "BOT\r\nX: 1"),
        ("a\r\nb", "BOT_TOPIC"),
        ("a b", "BOT_TOPIC"),
    ],
)
async def test_a_name_that_is_not_one_is_counted_and_not_sent(channel: str, name: str) -> None:
    async with connected() as (ami, server):
        await ami.set_variable(channel, name, "x")
        assert ami.failures == {"bad_name": 1}
    assert [action["Action"] for action in server.actions] == ["Login", "Logoff"]


async def test_a_call_without_a_pbx_has_nothing_to_set() -> None:
    async with connected() as (ami, _):
        await ami.set_variable("", "BOT_TOPIC", "x")
        assert not ami.failures


async def test_an_absent_manager_is_counted_not_raised() -> None:
    ami = AmiControl(AmiAccount("127.0.0.1", 1, "ivrbot", SECRET), PATIENT)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ami.run())
        assert not await ami.wait_connected(50)
        await ami.set_variable("PJSIP/trunk-1", "BOT_TOPIC", "x")
        await until(lambda: ami.failures["connect"] >= 1)
        await ami.close()
    assert ami.failures["offline"] == 1


async def test_a_refused_log_in_is_counted_and_tried_again() -> None:
    async with connected(secret="wrong", wait=False) as (ami, server):
        async with asyncio.timeout(PATIENCE_S):
            await server.logins.get()
            await server.logins.get()
        assert not ami.connected
        assert ami.failures["login"] >= 1


async def test_a_channel_that_is_gone_is_counted() -> None:
    def no_channel(action: dict[str, str]) -> str | None:
        reply = agree(action)
        return reply if action["Action"] == "Login" or reply is None else reply.replace("Success", "Error")

    async with connected(no_channel) as (ami, _):
        await ami.set_variable("PJSIP/trunk-1", "BOT_TOPIC", "x")
        assert ami.failures == {"rejected": 1}


async def test_a_manager_that_falls_silent_costs_one_deadline_and_is_connected_anew() -> None:
    def silent(action: dict[str, str]) -> str | None:
        return agree(action) if action["Action"] == "Login" else ""

    async with connected(silent, timing=SHORT) as (ami, server):
        await server.logins.get()
        await ami.set_variable("PJSIP/trunk-1", "BOT_TOPIC", "x")
        assert ami.failures["timeout"] == 1
        async with asyncio.timeout(PATIENCE_S):
            await server.logins.get()


async def test_a_lost_connection_ends_the_wait_at_once_and_is_made_again() -> None:
    def breaks(action: dict[str, str]) -> str | None:
        return agree(action) if action["Action"] == "Login" else None

    async with connected(breaks) as (ami, server):
        await server.logins.get()
        await ami.set_variable("PJSIP/trunk-1", "BOT_TOPIC", "x")
        assert ami.failures["lost"] >= 1
        assert ami.failures["timeout"] == 0
        async with asyncio.timeout(PATIENCE_S):
            await server.logins.get()


async def test_another_protocol_behind_the_port_is_not_talked_to() -> None:
    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(ssh, "127.0.0.1", 0) as listener, asyncio.TaskGroup() as tasks:
        port = listener.sockets[0].getsockname()[1]
        ami = AmiControl(AmiAccount("127.0.0.1", port, "ivrbot", SECRET), PATIENT)
        tasks.create_task(ami.run())
        await until(lambda: ami.failures["connect"] >= 1)
        assert not ami.connected
        await ami.close()


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(AmiAccount("127.0.0.1", 5038, "ivrbot", SECRET))


def listing(action: dict[str, str], *, whole: bool = True) -> str | None:
    """Accepts everything; a QueueStatus gets two events, and the end of the list if it is whole."""
    answer = agree(action)
    if action["Action"] != "QueueStatus" or answer is None:
        return answer
    tag = f"ActionID: {action['ActionID']}\r\n"
    events = [f"Event: {kind}\r\n{tag}Queue: loans\r\n\r\n" for kind in ("QueueParams", "QueueMember")]
    stranger = "Event: QueueEntry\r\nActionID: another\r\nQueue: loans\r\n\r\n"
    end = f"Event: QueueStatusComplete\r\n{tag}EventList: Complete\r\n\r\n" if whole else ""
    return "".join([answer, events[0], stranger, events[1], end])


async def test_a_list_is_whole_and_holds_nobody_elses_events() -> None:
    async with connected(listing) as (ami, _):
        events = await ami.ask_list("QueueStatus")
        assert events is not None
        assert [event.get("Event") for event in events] == ["QueueParams", "QueueMember"]
        await ami.set_variable("PJSIP/trunk-1", "BOT_TOPIC", "x")
        assert not ami.failures


async def test_half_a_list_is_none() -> None:
    async with connected(lambda action: listing(action, whole=False), timing=SHORT) as (ami, _):
        assert await ami.ask_list("QueueStatus") is None
        assert ami.failures["timeout"] == 1


async def test_an_action_that_is_refused_was_not_done() -> None:
    def refuse(action: dict[str, str]) -> str | None:
        answer = agree(action)
        refused = action["Action"] == "Originate" and answer is not None
        return answer.replace("Success", "Error") if refused and answer else answer

    async with connected(refuse) as (ami, server):
        assert not await ami.act("Originate", (("Channel", "Local/loans@x"),))
        assert await ami.act("Setvar", (("Channel", "x"), ("Variable", "Y"), ("Value", "z")))
        assert ami.failures == {"rejected": 1}
    assert server.actions[1]["Channel"] == "Local/loans@x"
