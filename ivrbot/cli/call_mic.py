"""`ivrbot call --mic`: a call with the local microphone and speaker; digits typed on the keyboard are keys."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import click

from ivrbot import app, engines
from ivrbot.call.door import CallDesk
from ivrbot.cli.console import FAILED, fail, print_json
from ivrbot.cli.standard_input import StandardInput
from ivrbot.config import Settings
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.speech import Language
from ivrbot.telephony.microphone import MicrophoneGateway
from ivrbot.telephony.pacer import Pacer

KEYS = frozenset("0123456789*#")


async def microphone_call(settings: Settings, caller: str, language: Language | None, as_json: bool) -> None:
    """Talk to the bot until one side hangs up (Ctrl+C, or the end of input)."""
    call_id = CallId(str(uuid.uuid4()))
    async with (
        app.open_core(settings, plan_file=app.DEMO_PLAN, database=app.TEXT_DATABASE) as core,
        engines.open_speech(settings) as speech,
        asyncio.TaskGroup() as group,
    ):
        desk = CallDesk(
            core.parts,
            asr=speech.hearing,
            voice=speech.voice,
            settings=settings.call,
            record=core.recorder.emit,
            registered_only=True,
        )
        desk.open(group)
        registration = CallRegistration(call_id, caller=caller, gateway="microphone", language=language)
        if not await desk.register(registration):
            fail(FAILED, "the call was not taken")
        gateway = MicrophoneGateway(desk, Pacer())
        leg = gateway.ring(call_id)
        keys = group.create_task(_press_typed_keys(leg.press))
        if not as_json:
            click.echo("speak; type digits for keys; Ctrl+C hangs up", err=True)
        try:
            cause = await leg.wait_closed()
        finally:
            keys.cancel()
            await gateway.stop()
    if as_json:
        print_json({"type": "call_ended", "cause": cause})


async def _press_typed_keys(press: Callable[[str], None]) -> None:
    lines = StandardInput()
    while (line := await lines.next_line()) is not None:
        for key in line:
            if key in KEYS:
                press(key)
