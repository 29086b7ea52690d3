"""Shapes of answers: JSON in UTF-8, problems all at once, nothing else than what is asked for.

Takes values, gives aiohttp responses and exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_PROBLEMS = 20

ModelT = TypeVar("ModelT", bound=BaseModel)


class Body(BaseModel):
    """Base of request bodies: unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Rejected(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        error: stable code ("invalid", "used", "unauthorised").
        problems: every one, `{"field", "message"}`.
    """

    def __init__(
        self,
        status: int,
        error: str,
        problems: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.error = error
        self.problems = tuple(problems)
        self.headers = dict(headers or {})
        super().__init__(error)

    def response(self, *, plain: bool) -> web.Response:
        """The answer, as one line of text for clients that speak forms."""
        if plain:
            detail = "; ".join(f"{item['field']}: {item['message']}" for item in self.problems)
            text = f"{self.error}: {detail}" if detail else self.error
            return web.Response(status=self.status, text=text, headers=self.headers)
        content: dict[str, Any] = {"error": self.error}
        if self.problems:
            content["problems"] = [dict(item) for item in self.problems]
        return json_answer(content, status=self.status, headers=self.headers)


def json_answer(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON that people can read, too."""
    text = json.dumps(content, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def is_form(request: web.BaseRequest) -> bool:
    """Whether the client sent a form, as a dialplan does."""
    return request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}


async def read_body(request: web.Request, model: type[ModelT]) -> ModelT:
    """Read JSON or a form; of a form, fields that the model does not know are ignored.

    Raises:
        Rejected: 400 with every problem.
    """
    if request.content_type == "application/x-www-form-urlencoded":
        form = await request.post()
        known = {name: str(form[name]) for name in model.model_fields if name in form}
        return validated(model, known)
    if request.content_type not in {"application/json", "application/octet-stream"}:
        allowed = "send application/json or application/x-www-form-urlencoded"
        raise Rejected(415, "unsupported", [{"field": "Content-Type", "message": allowed}])
    try:
        content = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Rejected(400, "invalid", [{"field": "", "message": "not JSON"}]) from error
    return validated(model, content)


def validated(model: type[ModelT], content: object) -> ModelT:
    """Check a body.

    Raises:
        Rejected: 400 with every problem; values are not repeated, they may be personal.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": _message(model, item)}
            for item in error.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]
        ]
        raise Rejected(400, "invalid", problems) from error


def _message(model: type[BaseModel], item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return f"unknown; allowed: {', '.join(model.model_fields)}"
    return str(item["msg"]).removeprefix("Value error, ")
