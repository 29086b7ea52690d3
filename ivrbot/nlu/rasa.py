"""Understanding by a Rasa 3.6 server: one model for all languages, asked over HTTP.

Takes text and language through the port NluEngine, gives NluResult. The negation guard and the threshold are the
same as the embedded classifier's, since Rasa sees a negation no better. Its FallbackClassifier hides the best
class behind `nlu_fallback`; the ranking shows it, so that is read instead.
Source: Rasa 3.6 HTTP API, `POST /model/parse`, `GET /status`.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

import aiohttp

from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.speech import OUT_OF_SCOPE, Entity, IntentScore, Language, NluResult
from ivrbot.nlu.deciding import decide_intent
from ivrbot.nlu.text import normalise

FALLBACK: Final = "nlu_fallback"
MAX_ANSWER_BYTES: Final = 256 * 1024
REJECT_BELOW: Final = 0.35


@dataclass(frozen=True, slots=True)
class RasaServer:
    """Where the server is.

    Attributes:
        url: without a path ("http://127.0.0.1:5005").
        token: of `--auth-token`, "" for none.
        deadline_ms: of one parse.
    """

    url: str
    token: str = field(default="", repr=False)
    deadline_ms: int = 300


class RasaNlu:
    """NluEngine on a Rasa server; connects at the first parse."""

    def __init__(self, server: RasaServer, *, reject_below: float = REJECT_BELOW) -> None:
        self._server = server
        self._reject_below = reject_below
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return "rasa"

    async def parse(self, text: str, language: Language) -> NluResult:
        """Understands one text; blank text is not sent.

        Raises:
            EngineTimeout: no answer within the deadline.
            EngineUnavailable: no server there, no model loaded, wrong token, or closed.
            EngineBadOutput: an answer that is no parse.
        """
        words = normalise(text)
        if not words:
            return NluResult(text, OUT_OF_SCOPE, 0.0, engine=self.name)
        answer = await self._post("/model/parse", {"text": words})
        ranking = _ranking(answer)
        scores = {score.name: score.confidence for score in ranking}
        intent, confidence = decide_intent(text, language, scores, self._reject_below)
        return NluResult(text, intent, confidence, ranking, _entities(answer), self.name)

    async def model_name(self) -> str:
        """File name of the model that the server has loaded.

        Raises:
            EngineError: as `parse`; EngineUnavailable also while no model is loaded.
        """
        answer = await self._request("GET", "/status", None)
        if not answer.get("model_id"):
            raise EngineUnavailable("the Rasa server has no model loaded")
        return PurePath(str(answer.get("model_file") or answer["model_id"])).name

    async def close(self) -> None:
        """Closes connections. Idempotent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        return await self._request("POST", path, body)

    async def _request(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
        if self._closed:
            raise EngineUnavailable("the Rasa engine is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        parameters = {"token": self._server.token} if self._server.token else None
        try:
            async with (
                asyncio.timeout(self._server.deadline_ms / 1000),
                self._session.request(
                    method, self._server.url.rstrip("/") + path, params=parameters, json=body
                ) as response,
            ):
                content = await _read(response)
                status = response.status
        except TimeoutError as error:
            raise EngineTimeout(f"Rasa did not answer within {self._server.deadline_ms} ms") from error
        except (aiohttp.ClientError, OSError) as error:
            # The request's address holds the token: only the kind of failure is told.
            raise EngineUnavailable(f"no Rasa server answers ({type(error).__name__})") from None
        if status != 200:
            raise EngineUnavailable(f"the Rasa server answered with status {status}")
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise EngineBadOutput("Rasa's answer is not JSON") from error
        if not isinstance(answer, dict):
            raise EngineBadOutput("Rasa's answer is not an object")
        return answer


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer.

    Raises:
        EngineBadOutput: it does not end.
    """
    content = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise EngineBadOutput("Rasa's answer does not end")
    return bytes(content)


def _ranking(answer: dict[str, Any]) -> tuple[IntentScore, ...]:
    """Classes best first, without the fallback class, adding up to 1.

    Raises:
        EngineBadOutput: no usable ranking.
    """
    try:
        found = {
            str(item["name"]): float(item["confidence"])
            for item in answer["intent_ranking"]
            if item["name"] != FALLBACK
        }
    except (KeyError, TypeError, ValueError) as error:
        raise EngineBadOutput("Rasa's answer has no intent ranking") from error
    total = sum(found.values())
    if not found or not math.isfinite(total) or total <= 0 or min(found.values()) < 0:
        raise EngineBadOutput("Rasa's intent ranking is empty or not a distribution")
    ranked = sorted(found.items(), key=lambda pair: -pair[1])
    return tuple(IntentScore(name, value / total) for name, value in ranked)


def _entities(answer: dict[str, Any]) -> tuple[Entity, ...]:
    """Entities that are well formed; others are left out."""
    found = answer.get("entities")
    if not isinstance(found, list):
        return ()
    return tuple(
        Entity(str(item["entity"]), str(item["value"]), int(item.get("start", 0)), int(item.get("end", 0)))
        for item in found
        if isinstance(item, dict) and "entity" in item and "value" in item
    )
