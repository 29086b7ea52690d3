"""Whether two names stand for one human: his own, and those of the tokens that he made.

Takes names as they sign changes, gives yes or no; where the plan asks for two persons, one must not pass for two.
"""

from __future__ import annotations

from ivrbot.model.people import TOKEN_PREFIX
from ivrbot.storage.people import PeopleBook


async def is_same_human(book: PeopleBook, one: str, other: str) -> bool:
    """Whether one human answers for both names.

    Args:
        book: knows who made which token.
        one: a log-in name, or "token:" and a token's name.
        other: as `one`.

    Raises:
        StorageError: not read.
    """
    makers: dict[str, str] = {}
    if TOKEN_PREFIX in {one[: len(TOKEN_PREFIX)], other[: len(TOKEN_PREFIX)]}:
        makers = {TOKEN_PREFIX + token.name: token.created_by for token in await book.tokens()}
    return makers.get(one, one) == makers.get(other, other)
