"""Understanding on public data sets: python -m benchmarks.nlu_public FOLDER [--rasa light diet] [--each N]

Reads BANKING77 and CLINC150 as their authors publish them, trains the embedded classifier as
`ivrbot nlu eval --train` does, and prints one JSON line per data set and engine with floor and goal beside each
figure, then what was taken for what. With --rasa the same rows train a real Rasa, which is asked the same;
--epochs N trains its DIET for so many instead of the 60 of its configuration, which take hours, and says so;
--each N trains everybody on the first N sentences of each intent only (few-shot), tested on the whole test part.

FOLDER holds either or both; the files stay where they are, none of their rows is in this repository:

- BANKING77 (77 intents, 10,003 + 3,080 sentences): `train.csv` and `test.csv`, headed `text,category`, in FOLDER,
  FOLDER/banking77 or FOLDER/banking_data. Published at github.com/PolyAI-LDN/task-specific-datasets, banking_data
  (CC BY 4.0; Casanueva et al., "Efficient Intent Detection with Dual Sentence Encoders", 2020).
- CLINC150 (150 intents and out of scope): `data_full.json` with train, val, test, oos_train, oos_val, oos_test,
  each a list of [text, intent], in FOLDER, FOLDER/clinc150 or FOLDER/data. Published at
  github.com/clinc/oos-eval, data/data_full.json (CC BY 3.0; Larson et al., "An Evaluation Dataset for Intent
  Classification and Out-of-Scope Prediction", 2019).

In-scope accuracy is that of the likeliest intent other than out of scope; for the other two figures a sentence is
rejected when that intent's confidence is below one threshold. The threshold is chosen on the validation part: the
highest at which the share right in scope still reaches its goal. That share rests on 3,000 sentences there, the
share rejected on 100, which are too few to balance the one against the other.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ivrbot.config import load_settings
from ivrbot.model.speech import NluResult
from ivrbot.nlu.embedded import load_encoder
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.evaluate import Row, engine_from_rows
from ivrbot.nlu.rasa import RasaNlu
from tests.integration.rasa_server import running_rasa

OUTSIDE: Final = "oos"
"""CLINC150's name for what no intent covers."""

GOALS: Final = {
    ("banking77", "accuracy"): (0.925, 0.94),
    ("clinc150", "in_scope"): (0.95, 0.97),
    ("clinc150", "in_scope_at_threshold"): (0.91, 0.92),
    ("clinc150", "out_of_scope_recall"): (0.88, 0.92),
}
"""Floor and goal of each figure."""

PUBLISHED: Final = {
    "banking77": "train.csv and test.csv: github.com/PolyAI-LDN/task-specific-datasets, banking_data (CC BY 4.0)",
    "clinc150": "data_full.json: github.com/clinc/oos-eval, data/data_full.json (CC BY 3.0)",
}
CLINC_PARTS: Final = ("train", "val", "test", "oos_train", "oos_val", "oos_test")

Parse = Callable[[str], Awaitable[NluResult]]


class NotPublishedSo(Exception):
    """A file has another form than the published one; says where."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One sentence: what it is, the likeliest intent other than out of scope, and its confidence."""

    expected: str
    found: str
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class PublicSet:
    """Rows (intent, text) of one data set; without a validation part there is nothing out of scope."""

    name: str
    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]


def read_sets(folder: Path) -> Iterator[PublicSet]:
    """Every data set that is there.

    Raises:
        NotPublishedSo: a file is not of the published form.
    """
    for place in (folder, folder / "banking77", folder / "banking_data"):
        if (place / "train.csv").is_file() and (place / "test.csv").is_file():
            rows = [tuple(read_csv(place / name)) for name in ("train.csv", "test.csv")]
            yield PublicSet("banking77", rows[0], (), rows[1])
            break
    for place in (folder, folder / "clinc150", folder / "data"):
        if (place / "data_full.json").is_file():
            yield read_clinc(place / "data_full.json")
            break


def first_of_each(data: PublicSet, count: int) -> PublicSet:
    """The data set with so few training rows of each intent, the first ones; it has no goals."""
    kept: Counter[str] = Counter()
    train = []
    for intent, text in data.train:
        kept[intent] += 1
        if kept[intent] <= count:
            train.append((intent, text))
    return replace(data, name=f"{data.name}, {count} of each", train=tuple(train))


def read_csv(path: Path) -> Iterator[Row]:
    """Rows of `text,category`; a text may be quoted, hold commas, quotes and line breaks."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"text", "category"} <= set(reader.fieldnames or ()):
            raise NotPublishedSo(f"{path}: the first line must be text,category")
        for line in reader:
            if not line["text"] or not line["category"]:
                raise NotPublishedSo(f"{path}:{reader.line_num}: neither text nor category may be empty")
            yield line["category"], " ".join(line["text"].split())


def read_clinc(path: Path) -> PublicSet:
    """CLINC150's six parts as three, those out of scope labelled `oos`."""
    data = json.loads(path.read_text("utf-8"))
    missing = [part for part in CLINC_PARTS if not isinstance(data, dict) or part not in data]
    if missing:
        raise NotPublishedSo(f"{path}: no {', '.join(missing)}")

    def rows(part: str) -> tuple[Row, ...]:
        return tuple(
            (intent, " ".join(text.split())) for name in (part, f"oos_{part}") for text, intent in data[name]
        )

    return PublicSet("clinc150", rows("train"), rows("val"), rows("test"))


async def guesses(rows: Sequence[Row], parse: Parse) -> list[Guess]:
    """Each row understood; no guard, no rejection."""
    found = []
    for expected, text in rows:
        ranking = (await parse(text)).ranking
        inside = next((score for score in ranking if score.name != OUTSIDE), None)
        found.append(
            Guess(expected, inside.name, inside.confidence, text) if inside else Guess(expected, "", 0.0, text)
        )
    return found


def in_scope(found: Sequence[Guess]) -> float:
    """Share right of what is in scope, nothing rejected."""
    inside = [guess for guess in found if guess.expected != OUTSIDE]
    return sum(guess.found == guess.expected for guess in inside) / len(inside)


def at_threshold(found: Sequence[Guess], threshold: float) -> tuple[float, float]:
    """Share right of what is in scope, and rejected of what is not, when less confidence is rejected."""
    inside = [guess for guess in found if guess.expected != OUTSIDE]
    outside = [guess for guess in found if guess.expected == OUTSIDE]
    kept = sum(guess.found == guess.expected and guess.confidence >= threshold for guess in inside)
    return kept / len(inside), sum(guess.confidence < threshold for guess in outside) / len(outside)


def chosen_threshold(validation: Sequence[Guess]) -> float:
    """The highest threshold at which the share right in scope reaches its goal; without any, where it is best."""
    goal = GOALS["clinc150", "in_scope_at_threshold"][1]
    steps = [step / 100 for step in range(1, 100)]
    reaching = [step for step in steps if at_threshold(validation, step)[0] >= goal]
    return max(reaching, default=steps[0])


async def measure(data: PublicSet, parse: Parse) -> tuple[dict[str, float], list[Guess]]:
    """The figures that the data set is judged by."""
    test = await guesses(data.test, parse)
    if not data.validation:
        return {"accuracy": in_scope(test)}, test
    threshold = chosen_threshold(await guesses(data.validation, parse))
    kept, recall = at_threshold(test, threshold)
    figures = {"in_scope": in_scope(test), "threshold": threshold, "in_scope_at_threshold": kept}
    return {**figures, "out_of_scope_recall": recall}, test


def tell(
    data: PublicSet, engine: str, figures: dict[str, float], cost: Mapping[str, float], found: list[Guess]
) -> None:
    """One JSON line, then what was most often taken for what."""
    judged = {
        name: {"is": round(value, 4), "floor": GOALS[data.name, name][0], "goal": GOALS[data.name, name][1]}
        if (data.name, name) in GOALS
        else value
        for name, value in figures.items()
    }
    print(json.dumps({"set": data.name, "engine": engine, "n": len(found), **judged, **cost}), flush=True)
    threshold = figures.get("threshold", 0.0)
    wrong: Counter[tuple[str, str]] = Counter()
    for guess in found:
        answer = guess.found if guess.confidence >= threshold else OUTSIDE
        if answer != guess.expected:
            wrong[guess.expected, answer] += 1
    rejected = sum(count for (_, answer), count in wrong.items() if answer == OUTSIDE)
    accepted = sum(count for (expected, _), count in wrong.items() if expected == OUTSIDE)
    others = wrong.total() - rejected - accepted
    print(f"  wrong: {others} taken for another intent, {rejected} rejected, {accepted} out of scope but kept")
    for (expected, answer), count in wrong.most_common(15):
        print(f"  {count:>4}  {expected} -> {answer}")


async def measure_embedded(data: PublicSet, encoder_path: Path, mistakes: bool) -> None:
    """The product's own classifier: trains, measures, and what it cost."""
    encoder = load_encoder(encoder_path)
    start = time.process_time()
    engine = engine_from_rows(data.train, "en", encoder)
    training_s = time.process_time() - start
    start = time.process_time()
    try:
        figures, found = await measure(data, lambda text: engine.parse(text, "en"))
    finally:
        await engine.close()
    parses = len(data.validation) + len(data.test)
    cost = {
        "training_cpu_s": round(training_s, 1),
        "cpu_ms_per_parse": round(1000 * (time.process_time() - start) / parses, 2),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    tell(data, "embedded" if encoder else "embedded, words alone", figures, cost, found)
    if mistakes:
        for guess in found:
            if guess.found != guess.expected:
                print(f"{guess.expected} -> {guess.found} {guess.confidence:.2f}: {guess.text}", file=sys.stderr)


async def measure_rasa(data: PublicSet, config: str, epochs: int | None) -> None:
    """A real Rasa trained on the same rows; `epochs` counts for DIET only."""
    epochs = epochs if config == "diet" else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "data" / "nlu.yml").write_text(as_rasa(data.train), "utf-8")
        with running_rasa(config, folder / "rasa.log", data=folder / "data", epochs=epochs) as (server, _):
            engine = RasaNlu(server)
            try:
                figures, found = await measure(data, lambda text: engine.parse(text, "en"))
            finally:
                await engine.close()
    tell(data, f"rasa {config}", figures, {} if epochs is None else {"epochs": epochs}, found)


def as_rasa(rows: Sequence[Row]) -> str:
    """Rows as Rasa's training data; brackets, which would annotate entities, are left out."""
    texts: dict[str, list[str]] = {}
    for intent, text in rows:
        texts.setdefault(intent, []).append(text.translate(str.maketrans("[]{}", "    ")))
    blocks = [
        f"- intent: {intent}\n  examples: |\n" + "".join(f"    - {text}\n" for text in own)
        for intent, own in texts.items()
    ]
    return 'version: "3.1"\nnlu:\n' + "".join(blocks)


def run(
    folder: Path,
    encoder_path: Path,
    rasa: Sequence[str] = (),
    mistakes: bool = False,
    epochs: int | None = None,
    each: int | None = None,
) -> int:
    """Measures all that is there. Returns 2 when nothing is, else 0."""
    there = set()
    for found in read_sets(folder):
        there.add(found.name)
        data = first_of_each(found, each) if each else found
        asyncio.run(measure_embedded(data, encoder_path, mistakes))
        for config in rasa:
            asyncio.run(measure_rasa(data, config, epochs))
    for name, where in PUBLISHED.items():
        if name not in there:
            print(f"{name} is not in {folder}. {where}", file=sys.stderr)
    return 0 if there else 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nlu_public")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--rasa", nargs="+", choices=("light", "diet"), default=[], help="train Rasa on it as well"
    )
    parser.add_argument("--epochs", type=int, help="of Rasa's DIET, in place of its configuration's")
    parser.add_argument("--each", type=int, help="training sentences of each intent")
    parser.add_argument("--mistakes", action="store_true", help="every mistake on standard error")
    arguments = parser.parse_args()
    encoder_path = load_settings(Path()).models_dir / ENCODER_FILE
    try:
        return run(
            arguments.folder,
            encoder_path,
            arguments.rasa,
            arguments.mistakes,
            arguments.epochs,
            arguments.each,
        )
    except NotPublishedSo as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
