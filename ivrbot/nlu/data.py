"""Training data: Rasa 3.1 YAML, one folder per language, every problem reported at once.

Takes `nlu_data/<language>/*.yml`, gives `TrainingData`. Entity annotations (`[text](entity)`,
`[text]{"entity": ...}`) are stripped; regexes, synonyms and lookup tables of the format are accepted and skipped.
Source: Rasa 3.1 training data format (https://rasa.com/docs/rasa/training-data-format).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.nlu.text import normalise
from ivrbot.yamlfile import YamlMap, read_yaml

FORMAT_VERSION: Final = "3.1"
MIN_EXAMPLES: Final = 10
_OTHER_KEYS: Final = frozenset({"regex", "synonym", "lookup"})
_TOP_KEYS: Final = frozenset({"version", "nlu"})
_ENTITY: Final = re.compile(r"\[([^\]\n]+)\](?:\([^)\n]*\)|\{[^}\n]*\})")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence; `file` and `line` (1-based) say where it stands."""

    intent: str
    text: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class TrainingData:
    """All examples of one language, in file order."""

    language: Language
    examples: tuple[Example, ...]

    @property
    def intents(self) -> frozenset[str]:
        """Every intent that has at least one example."""
        return frozenset(example.intent for example in self.examples)


def strip_entities(text: str) -> str:
    """Removes Rasa's entity annotations: "[зарплатную](card_kind) карту" becomes "зарплатную карту"."""
    return _ENTITY.sub(r"\1", text)


def load_training_data(
    data_dir: Path,
    *,
    intents: Collection[str] | None = None,
    languages: Collection[Language] = LANGUAGES,
    min_examples: int = MIN_EXAMPLES,
) -> dict[Language, TrainingData]:
    """Reads and checks the training data of every language.

    Args:
        data_dir: folder with one sub-folder per language.
        intents: names that may and must occur; None takes whatever is there.
        languages: languages to read; all of them must cover the same intents.
        min_examples: fewest examples an intent may have in a language.

    Returns:
        Training data per language.

    Raises:
        ConfigError: with every problem of every file.
    """
    problems: list[Problem] = []
    loaded: dict[Language, TrainingData] = {}
    for language in languages:
        folder = data_dir / language
        examples = tuple(_read_folder(folder, problems))
        problems.extend(_check_examples(examples, str(folder), intents, min_examples))
        loaded[language] = TrainingData(language, examples)
    problems.extend(_check_parity(data_dir, loaded))
    if problems:
        raise ConfigError(problems)
    return loaded


def _read_folder(folder: Path, problems: list[Problem]) -> Iterator[Example]:
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    if not files:
        problems.append(Problem(str(folder), None, "", "", "no training data", "*.yml files"))
    for file in files:
        yield from _read_file(file, problems)


def _read_file(file: Path, problems: list[Problem]) -> Iterator[Example]:
    name = str(file)
    try:
        document = read_yaml(file).data
    except ConfigError as error:
        problems.extend(error.problems)
        return
    if not isinstance(document, Mapping):
        problems.append(Problem(name, 1, "", "", "not a mapping", 'keys "version" and "nlu"'))
        return
    for key in document:
        if key not in _TOP_KEYS:
            problems.append(Problem(name, _key_line(document, key), str(key), "", "unknown key", "version, nlu"))
    if document.get("version") != FORMAT_VERSION:
        line = _key_line(document, "version")
        found = repr(document.get("version"))
        problems.append(Problem(name, line, "version", found, "unknown format", f'"{FORMAT_VERSION}"'))
    items = document.get("nlu")
    if not isinstance(items, list):
        problems.append(Problem(name, _key_line(document, "nlu"), "nlu", "", "not a list", "a list of intents"))
        return
    for index, item in enumerate(items):
        yield from _read_item(name, items, index, item, problems)


def _read_item(name: str, items: Any, index: int, item: Any, problems: list[Problem]) -> Iterator[Example]:
    line = items.lines[index]
    path = f"nlu[{index}]"
    if not isinstance(item, YamlMap):
        problems.append(Problem(name, line, path, str(item)[:40], "not a mapping", "intent and examples"))
        return
    if _OTHER_KEYS & set(item):
        return
    intent = item.get("intent")
    if not isinstance(intent, str) or not intent:
        problems.append(Problem(name, line, path, str(intent), "intent has no name", "intent: name"))
        return
    extra = set(item) - {"intent", "examples", "metadata"}
    problems.extend(
        Problem(name, _key_line(item, key), f"{path}.{key}", "", "unknown key", "intent, examples, metadata")
        for key in sorted(map(str, extra))
    )
    examples = item.get("examples")
    if not isinstance(examples, str):
        problems.append(Problem(name, line, f"{path}.examples", "", "not a text block", "examples: |"))
        return
    # The block's first line follows the line of "|".
    first = item.value_lines["examples"] + 1
    yield from _read_examples(name, intent, examples, first, problems)


def _read_examples(
    name: str, intent: str, block: str, first_line: int, problems: list[Problem]
) -> Iterator[Example]:
    for offset, raw in enumerate(block.rstrip("\n").split("\n")):
        line = first_line + offset
        stripped = raw.strip()
        if not stripped:
            problems.append(Problem(name, line, intent, "", "empty line between examples", "- text"))
        elif not stripped.startswith("-"):
            problems.append(Problem(name, line, intent, stripped[:40], "not a list item", "- text"))
        else:
            text = " ".join(strip_entities(stripped[1:]).split())
            if not normalise(text):
                problems.append(Problem(name, line, intent, text, "empty example", "words"))
            else:
                yield Example(intent, text, name, line)


def _check_examples(
    examples: tuple[Example, ...], folder: str, intents: Collection[str] | None, min_examples: int
) -> Iterator[Problem]:
    seen: dict[str, Example] = {}
    for example in examples:
        if intents is not None and example.intent not in intents:
            continue
        first = seen.setdefault(normalise(example.text), example)
        if first is not example:
            where = f"{Path(first.file).name}:{first.line}"
            what = "twice" if first.intent == example.intent else f"also an example of {first.intent}"
            yield Problem(example.file, example.line, example.intent, example.text, f"{what}, see {where}")
    counts = Counter(example.intent for example in examples)
    if intents is not None:
        allowed = ", ".join(sorted(intents))
        for name in sorted(set(counts) - set(intents)):
            place = next(example for example in examples if example.intent == name)
            yield Problem(place.file, place.line, name, name, "unknown intent", allowed)
        for name in sorted(set(intents) - set(counts)):
            yield Problem(folder, None, name, "", "intent has no examples")
    for name, count in sorted(counts.items()):
        if count < min_examples:
            place = next(example for example in examples if example.intent == name)
            yield Problem(place.file, place.line, name, str(count), "too few examples", f"at least {min_examples}")


def _check_parity(data_dir: Path, loaded: Mapping[Language, TrainingData]) -> Iterator[Problem]:
    everything = frozenset[str]().union(*(data.intents for data in loaded.values()))
    for language, data in loaded.items():
        for name in sorted(everything - data.intents):
            others = [other for other in loaded if name in loaded[other].intents]
            yield Problem(str(data_dir / language), None, name, "", f"intent exists only in {', '.join(others)}")


def _key_line(mapping: Any, key: object) -> int | None:
    line: int | None = mapping.key_lines.get(key)
    return line
