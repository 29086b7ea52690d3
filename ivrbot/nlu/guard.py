"""Guard against negation: "не блокируйте карту" must not block a card, whatever a classifier believes.

Takes a text and the intent that a classifier chose; says whether the text refuses the thing asked for
("не надо блокировать", "I don't need an operator") or denies that it happened ("карту не теряла").
Bags of words and sentence embeddings hardly see a negation, so the rule looks at words in order. Pure.

The rule: words of an intent are requests (what is asked for) or events (what has happened). A request is refused
when a negator stands right before it ("не блокируйте") or when it lies within the reach of a refusal ("не надо",
"мне не нужен"). An event is denied when negated directly ("не терял"). Complaints about what the bank has not
done ("почему не заблокировали") and symptoms ("не могу войти") are neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ivrbot.language.negation import verb_polarities
from ivrbot.language.tokens import tokenise
from ivrbot.model.speech import Language
from ivrbot.nlu.guard_words import GRAMMARS, Cues, Grammar
from ivrbot.nlu.text import normalise

_SENTENCE_END: Final = re.compile(r"[.!?;]+")


def is_negated(text: str, language: Language, intent: str) -> bool:
    """Whether the text refuses or denies the very thing that the intent stands for.

    Args:
        text: the caller's words, with or without punctuation.
        language: of the text.
        intent: class that a classifier chose.

    Returns:
        True only if every request word is refused, or, without request words, every event word is denied, or if
        `ivrbot.language.negation` finds every order to do what cannot be undone refused; False for intents
        without cues.
    """
    grammar = GRAMMARS[language]
    cues = grammar.cues.get(intent)
    if cues is None:
        return False
    requests: list[bool] = []
    events: list[bool] = []
    for sentence in _SENTENCE_END.split(text):
        said, contraries = _without_contrary(normalise(sentence), grammar.contrary.get(intent), grammar)
        requests += [True] * contraries
        # beside it, "they have blocked it" tells how things stand and asks for nothing
        words = [word for word in said.split() if not (contraries and _tells_state(word, grammar))]
        requests += _requests(words, cues, grammar)
        events += _events(words, cues, grammar)
    if _orders_refused(text, language, grammar.orders.get(intent, ())):
        return True
    if requests:
        return all(requests)
    return bool(events) and all(events)


def _without_contrary(said: str, contrary: re.Pattern[str] | None, grammar: Grammar) -> tuple[str, int]:
    """The words without what asks for the contrary ("разблокируйте"), and how often that is asked for.

    A negated contrary ("не разблокируйте") is left where it is: it asks for nothing.
    """
    if contrary is None:
        return said, 0
    spans = [
        found.span()
        for found in contrary.finditer(said)
        if not grammar.negators & set(said[: found.start()].split()[-1:])
    ]
    for start, end in reversed(spans):
        said = f"{said[:start]} {said[end:]}"
    return said, len(spans)


def _tells_state(word: str, grammar: Grammar) -> bool:
    return any(form is not None and form.match(word) for form in (grammar.statement_form, grammar.participle))


def _orders_refused(text: str, language: Language, orders: tuple[str, ...]) -> bool:
    """A second reading, apart from the first, before something that cannot be undone: either refusal counts."""
    if not orders or GRAMMARS[language].questions & set(normalise(text).split()):
        return False
    polarities = verb_polarities(tokenise(text, language), language, orders)
    return bool(polarities) and not any(polarities)


def is_asserted(text: str, language: Language, intent: str) -> bool:
    """Whether the text names the intent's subject somewhere without negating it."""
    grammar = GRAMMARS[language]
    cues = grammar.cues.get(intent)
    if cues is None:
        return False
    words = normalise(text).split()
    return not all(_requests(words, cues, grammar)) or not all(_events(words, cues, grammar))


def asserted_part(text: str, language: Language) -> str:
    """The text without what it refuses or denies: "карту не теряла баланс скажите" leaves "баланс скажите".

    Args:
        text: the caller's words, with or without punctuation.
        language: of the text.

    Returns:
        The words left, normalised; all of them when nothing is refused, "" when nothing else is said.
    """
    grammar = GRAMMARS[language]
    everything = Cues(
        tuple(stem for cues in grammar.cues.values() for stem in cues.requests),
        tuple(stem for cues in grammar.cues.values() for stem in cues.events),
    )
    kept: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        words = normalise(sentence).split()
        gone = _gone(words, everything, grammar)
        kept += [word for index, word in enumerate(words) if index not in gone]
    return " ".join(kept)


def _gone(words: Sequence[str], everything: Cues, grammar: Grammar) -> set[int]:
    """Indices of the words that refuse or deny a topic, and of what they refuse or deny."""
    if grammar.questions & set(words):
        return set()
    gone: set[int] = set()
    for span in _refusals(words, grammar):
        if any(_names(words[index], everything.requests, grammar) for index in span):
            gone |= span
    for index, word in enumerate(words):
        negator = None
        if _names(word, everything.requests, grammar) and not _is_statement(words, index, grammar):
            negator = _negator_before(words, index, grammar)
        if negator is None and word.startswith(everything.events):
            reach = range(max(0, index - grammar.event_reach), index)
            negator = next((before for before in reach if words[before] in grammar.event_negators), None)
        if negator is not None:
            gone.update(_with_objects(words, negator, index, grammar))
    return gone


def _with_objects(words: Sequence[str], start: int, end: int, grammar: Grammar) -> range:
    """What is denied takes along who and what: "карту я не теряла", "I haven't lost my card"."""
    while start > 0 and words[start - 1] in grammar.objects | grammar.speakers:
        start -= 1
    refused = end
    while end + 1 < len(words) and words[end + 1] in grammar.objects:
        end += 1
    # "Don't raise the limit": the thing itself, after its article.
    if refused < end < len(words) - 1 and _topics([words[end + 1]], grammar):
        end += 1
    return range(start, end + 1)


def _requests(words: Sequence[str], cues: Cues, grammar: Grammar) -> list[bool]:
    """One entry per request word: refused or not; negated statements and reproaches are left out."""
    reach = _refused(words, grammar)
    found = []
    reproach = bool(grammar.questions & set(words))
    for index, word in enumerate(words):
        if not _names(word, cues.requests, grammar):
            continue
        direct = _negator_before(words, index, grammar) is not None
        if direct and (reproach or _is_statement(words, index, grammar)):
            continue
        found.append(direct or (index in reach and not reproach))
    return found


def _negator_before(words: Sequence[str], index: int, grammar: Grammar) -> int | None:
    """Where the negator of this word stands: right before it, or before "про", "the" and their like."""
    before = index - 1
    while before > 0 and words[before] in grammar.fillers:
        before -= 1
    return before if before >= 0 and words[before] in grammar.negators else None


def _is_statement(words: Sequence[str], index: int, grammar: Grammar) -> bool:
    if grammar.statement_form is not None and grammar.statement_form.match(words[index]):
        return True
    return index > 1 and words[index - 2] in grammar.subjects


def _events(words: Sequence[str], cues: Cues, grammar: Grammar) -> list[bool]:
    """One entry per event word: denied or not."""
    return [
        any(before in grammar.event_negators for before in words[max(0, index - grammar.event_reach) : index])
        for index, word in enumerate(words)
        if cues.events and word.startswith(cues.events)
    ]


def _refused(words: Sequence[str], grammar: Grammar) -> set[int]:
    """Indices of the words within reach of a refusal, forwards and backwards, and of the refusal."""
    return set[int]().union(*_refusals(words, grammar))


def _refusals(words: Sequence[str], grammar: Grammar) -> Iterator[set[int]]:
    """Each refusal with its reach."""
    for start in range(len(words)):
        for phrase in grammar.refusals.get(words[start], ()):
            if tuple(words[start : start + len(phrase)]) == phrase:
                end = start + len(phrase)
                yield {*range(start, end), *_reach(words, start, end, grammar.forward, grammar)}
        if start > 0 and words[start - 1] in grammar.negators and _is_imperative(words[start], grammar):
            yield {start - 1, start, *_reach(words, start - 1, start + 1, grammar.forward - 1, grammar)}


def _reach(words: Sequence[str], start: int, end: int, forward: int, grammar: Grammar) -> set[int]:
    """Words that the refusal at `start:end` refuses.

    It refuses one topic: the one that follows ("не надо блокировать") or, failing that, the one before ("баланс
    мне не нужен"); a word of another topic is not its own any more ("не надо блокировать, остаток назовите").
    An infinitive right before it that nothing else asks for is its own: "блокировать не надо, баланс назовите".
    """
    ahead = range(end, min(len(words), end + forward))
    behind = range(start - 1, max(-1, start - 1 - grammar.backward), -1)
    topics = _topics(words[start:end], grammar)
    near = [index for index in ahead if words[index] not in grammar.speakers | grammar.objects][:1]
    if words[end - 1] in grammar.agreeing and set(
        words[max(0, start - 2) : start]
    ) - grammar.speakers - grammar.fillers - set(grammar.stoppers):
        ahead = range(0)
    forward_first = bool(near) and bool(_topics([words[near[0]]], grammar))
    if forward_first and _ends_refused(words, start, grammar):
        forward_first, ahead = False, range(0)
    reach: set[int] = set()
    for indices in (ahead, behind) if forward_first else (behind, ahead):
        found = _walk(words, indices, topics, grammar)
        reach.update(found)
        topics = topics or _topics([words[index] for index in found], grammar)
    return reach


def _ends_refused(words: Sequence[str], start: int, grammar: Grammar) -> bool:
    """Whether a topic's infinitive stands before the refusal at `start`, unless a wish rules it.

    "Перевыпустить не надо блокировать" leaves both open; "хочу перевыпустить, не надо блокировать" does not.
    """
    between = grammar.objects | grammar.speakers | grammar.adverbs
    at = start - 1
    while at >= 0 and words[at] in between:
        at -= 1
    if at < 0 or grammar.infinitive is None or not grammar.infinitive.match(words[at]):
        return False
    if not _topics([words[at]], grammar):
        return False
    before = at - 1
    while before >= 0 and words[before] in between | grammar.fillers:
        before -= 1
    return before < 0 or words[before] not in grammar.wishes


def _topics(words: Sequence[str], grammar: Grammar) -> frozenset[str]:
    """Intents that the first of the words to name any names."""
    for word in words:
        named = frozenset(
            name for name, cues in grammar.cues.items() if _names(word, cues.requests + cues.events, grammar)
        )
        if named:
            return named
    return frozenset()


def _names(word: str, stems: tuple[str, ...], grammar: Grammar) -> bool:
    """Whether a word has one of the stems; "меня" (me) is no form of "менять" (change)."""
    return word.startswith(stems) and word not in grammar.speakers


def _is_imperative(word: str, grammar: Grammar) -> bool:
    return (
        grammar.imperative is not None
        and grammar.imperative.match(word) is not None
        and word not in grammar.courtesies
    )


def _walk(words: Sequence[str], indices: range, topics: frozenset[str], grammar: Grammar) -> list[int]:
    """The indices up to the edge of the clause or to a word of another topic."""
    walked: list[int] = []
    for index in indices:
        word = words[index]
        # "Блокировать пока не надо": right before a refusal "пока" begins no clause.
        if indices.step < 0 and word in grammar.adverbs and set(words[index : indices.start]) <= grammar.adverbs:
            walked.append(index)
            continue
        if word in grammar.stoppers or _is_imperative(word, grammar):
            break
        # "Не надо блокировать, где отделение": with its topic found, a refusal ends where a question begins.
        if indices.step > 0 and topics and word in grammar.asking:
            break
        # Whoever speaks begins a clause, except right after the refusal ("не надо мне").
        if indices.step > 0 and word in grammar.speakers and (walked or word in grammar.subjects_first):
            break
        if indices.step < 0 and grammar.says is not None and grammar.says.match(word):
            break
        named = _topics([word], grammar)
        if topics and named and not topics & named:
            break
        topics = topics or named
        walked.append(index)
    return walked
