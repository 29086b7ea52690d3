"""Questions put on a fake line, and what is heard upon them."""

from __future__ import annotations

import asyncio

from ivrbot.call.channel import Heard
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import Expect
from tests.fakes.line import Line, utterance

TOPIC = Collect("topic", Expect.OPEN, max_digits=1)
YES = Collect("confirm", Expect.YES_NO, max_digits=1)
CARD = Collect("card", Expect.DIGITS, max_digits=4)
PHONE = Collect("fact", Expect.DIGITS, secret=True)
WORD = Collect("fact", Expect.SECRET, secret=True)


async def never(_text: str) -> bool:
    return False


async def always(_text: str) -> bool:
    return True


class Listening:
    """A `listen` under way."""

    def __init__(self, line: Line, collect: Collect = TOPIC) -> None:
        self._task = asyncio.get_running_loop().create_task(line.channel.listen(collect, never))

    @property
    def over(self) -> bool:
        return self._task.done()

    async def result(self) -> Heard:
        return await self._task


async def ask(line: Line, collect: Collect = TOPIC, *texts: str, interruptible: bool = True) -> Listening:
    line.channel.speak_in("en")
    for text in texts or ("what?",):
        await line.channel.say(utterance(text), interruptible=interruptible)
    return Listening(line, collect)
