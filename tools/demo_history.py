"""A small history for the demo: calls in text through the real core, labelled by their gateway ("demo").

Every call goes the whole way (understanding, draw, ladder, demo bank, dossier), so what is stored is what calls
store; nothing is invented. The demo plan draws with probability 1, so none of it is ever evidence.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path

from ivrbot import app
from ivrbot.call.session import CallSession
from ivrbot.call.text import TextChannel
from ivrbot.config import load_settings
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language

ANNA, PYOTR, MARIA = "+79161234567", "+79031112233", "+79265550011"

CALLS: tuple[tuple[str, Language, tuple[str, ...]], ...] = (
    (ANNA, "ru", ("девушка, карту вытащили в автобусе", "4271", "да", "нет, спасибо")),
    (PYOTR, "ru", ("сколько денег осталось", "1188", "метроном", "спасибо, до свидания")),
    (MARIA, "en", ("I lost my card", "7719", "yes", "no thank you")),
    (ANNA, "ru", ("когда платить по кредиту",)),
    (PYOTR, "ru", ("оператор",)),
    (MARIA, "ru", ("какой баланс", "1111", "2222", "3333")),
    ("", "ru", ("", "")),
    (ANNA, "en", ("my pin does not work", "hm")),
)


async def place(core: app.Core, caller: str, language: Language, lines: tuple[str, ...]) -> str:
    """Hold one call; gives how it ended."""
    waiting = iter(lines)

    async def next_line() -> str | None:
        return next(waiting, None)

    call_id = CallId(str(uuid.uuid4()))
    registration = CallRegistration(call_id, caller=caller, gateway="demo", language=language)
    await core.store.register(registration, app.utc_now())

    def emit(type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
        core.recorder.emit(call_id, type_, t_ms, data)

    channel = TextChannel(next_line, lambda _who, _text: None)
    end = await CallSession(core.parts, registration, language, channel, emit).run()
    return f"{end.disposition.value} ({end.reason})"


async def main() -> None:
    """Place every call, then put the demo bank back to its first state."""
    settings = load_settings(Path.cwd())
    async with app.open_core(settings, plan_file=app.DEMO_PLAN) as core:
        for caller, language, lines in CALLS:
            print(f"demo call: {await place(core, caller, language, lines)}", file=sys.stderr)
    bank = app.open_bank(settings)
    await bank.reset()
    await bank.close()
    await app.forget_failures(settings)


if __name__ == "__main__":
    asyncio.run(main())
