"""How well voices are told apart, what replays and synthetic voices get, and what a sample costs.

    python -m benchmarks.voiceprint FOLDER [--join]     # recordings of people: a folder of WAV files per speaker
    python -m benchmarks.voiceprint --synthetic         # RHVoice's free voices; says nothing of people

Templates are of 10 s of speech of one call (--enrol-calls: of more, as calls make them), tests of 5 s of another.
With --cohort, a folder of other speakers, scores are also normalised by them, which the product does not do.
--no-replays leaves the loudspeaker out: the tests played by one in a room, computed. With a folder the exit code
is 1 when the equal error rate is above the bar of 1.5 %.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from ivrbot.app import utc_now
from ivrbot.config import load_settings
from ivrbot.errors import EngineBadOutput
from ivrbot.identity.voices import likeness
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.model.voiceprint import VoiceThresholds
from ivrbot.stats.verification import Scores
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.rhvoice import RhvoiceEngine
from ivrbot.upkeep import voice_thresholds
from ivrbot.voiceprint.calibration import Calibration, calibrated, describe
from ivrbot.voiceprint.engine import sampled
from ivrbot.voiceprint.features import as_samples
from ivrbot.voiceprint.network import VoiceNetwork, network_path
from ivrbot.voiceprint.trials import LeftOut, Plan, Voice, hear_speaker, joined, make_trials, stretches

BAR = 0.015
PLAN = Plan(enrol_ms=10_000, enrol_calls=1, test_ms=5_000)
MOST_CALLS = 12
FREE_VOICES: dict[str, Language] = {
    "aleksandr": "ru", "anna": "ru", "elena": "ru", "irina": "ru",
    "alan": "en", "bdl": "en", "clb": "en", "slt": "en",
}  # fmt: skip
OTHER_SYNTHESISER = ("aleksandr-hq", "aleksandr")
"""Two voices of RHVoice made of the same man's recordings: the second stands for a clone of the first."""
RU = (
    "Сегодня после обеда обещали дождь, поэтому мы остались дома и пили чай с малиновым вареньем.",
    "Дорога к озеру идёт через старый сосновый лес, а потом круто спускается к воде.",
    "На рынке продавали яблоки, груши, поздние сливы и большие полосатые арбузы.",
    "Поезд опоздал на двадцать минут, но нас всё равно встретили на перроне с цветами.",
    "Мой сосед каждое утро выходит гулять с собакой и здоровается со всеми прохожими.",
    "В библиотеке открыли новый читальный зал, где можно работать до самого вечера.",
    "Вечером зажглись фонари, и на площади заиграл небольшой духовой оркестр.",
    "Мы долго выбирали подарок и остановились на книге о морских путешествиях.",
    "Летом дети строят на берегу замки, а волны каждую ночь уносят их в море.",
    "Если повернуть за мостом налево, то через четверть часа вы увидите высокую башню.",
    "Бабушка печёт пироги с капустой, и запах слышен на лестнице ещё у входной двери.",
    "Первый снег выпал ночью, и утром весь двор стал светлым и удивительно тихим.",
)
EN = (
    "It was meant to rain this afternoon, so we stayed at home and drank tea with raspberry jam.",
    "The road to the lake runs through an old pine forest and then drops steeply to the water.",
    "They were selling apples, pears, late plums and huge striped watermelons at the market.",
    "The train was twenty minutes late, but they still met us on the platform with flowers.",
    "My neighbour walks his dog every morning and says hello to everybody in the street.",
    "The library has opened a new reading room where you can work until late in the evening.",
    "In the evening the lamps were lit, and a small brass band began to play in the square.",
    "We took a long time to choose a present and settled on a book about sea voyages.",
    "In summer the children build castles on the beach, and every night the waves take them.",
    "If you turn left after the bridge, you will see a tall tower in a quarter of an hour.",
    "Grandmother bakes cabbage pies, and you can smell them on the stairs by the front door.",
    "The first snow fell in the night, and in the morning the yard was bright and very quiet.",
)


def replayed(pcm: bytes, seed: int) -> Pcm:
    """By a small loudspeaker across a room: no bass, some saturation, echoes of 0.2 s, noise at 20 dB."""
    generator = np.random.default_rng(seed)
    samples = as_samples(pcm)
    tilt = np.convolve(samples, [1.0, -0.6])[: len(samples)]
    level = float(np.sqrt(np.mean(tilt**2))) or 1.0
    driven = np.tanh(tilt / level * 0.4) / 0.4
    room = generator.normal(0, 1, 1600) * np.exp(-np.arange(1600) / 260) * 0.12
    room[0] = 1.0
    heard = np.convolve(driven, room)[: len(samples)]
    heard += generator.normal(0, float(np.sqrt(np.mean(heard**2))) / 10, len(heard))
    scale = 0.2 / (float(np.abs(heard).max()) or 1.0) * 2
    return Pcm((heard * scale * 32767).astype("<i2").tobytes())


async def spoken(voice: str, language: Language, sentences: tuple[str, ...]) -> list[Pcm]:
    """Sentences by one voice of RHVoice."""
    from tests.caller_speech import rhvoice_root

    names = {"voice_ru": voice} if language == "ru" else {"voice_en": voice}
    engine = RhvoiceEngine(root=rhvoice_root(), **names)
    await engine.start()
    try:
        return [(await speak_to_pcm(engine, sentence, language)).pcm for sentence in sentences]
    finally:
        await engine.close()


def synthetic_calls(voice: str, language: Language) -> list[Pcm]:
    """Calls of about 20 s each."""
    sounds = asyncio.run(spoken(voice, language, RU if language == "ru" else EN))
    return list(joined(sounds, PLAN.enrol_ms + PLAN.test_ms))


def recorded_calls(folder: Path, join: bool) -> dict[str, list[Pcm]]:
    """At most twelve calls of each speaker."""
    calls = {}
    for speaker in sorted(path for path in folder.iterdir() if path.is_dir()):
        sounds = (read_wav(file) for file in sorted(speaker.rglob("*.wav")))
        calls[speaker.name] = list(
            islice(joined(sounds, PLAN.enrol_ms + PLAN.test_ms) if join else sounds, MOST_CALLS)
        )
    return calls


def cost_ms(network: VoiceNetwork, pcm: Pcm) -> tuple[float, float]:
    """Processor time of a sample of 3 s of speech: median and largest of twenty."""
    three = next(iter(stretches(pcm, 3000)))
    times = []
    for _ in range(20):
        begun = time.process_time()
        sampled(network, three)
        times.append((time.process_time() - begun) * 1000)
    return statistics.median(times), max(times)


def verdict(score: float, thresholds: VoiceThresholds) -> str:
    if score >= thresholds.accept:
        return "accepted"
    return "flagged" if score < thresholds.flag else "asked for a code"


def replay_table(network: VoiceNetwork, calls: dict[str, list[Pcm]], thresholds: VoiceThresholds) -> None:
    """The second call's stretches against the first call's template: as spoken, and replayed."""
    live, played = Counter[str](), Counter[str]()
    doubted = 0
    for own in calls.values():
        if len(own) < 2:
            continue
        template = sampled(network, next(iter(stretches(own[0], PLAN.enrol_ms))))
        for number, part in enumerate(islice(stretches(own[1], PLAN.test_ms), 3)):
            spoken_, replay = sampled(network, part), None
            live[verdict(likeness(template.embedding, spoken_.embedding), thresholds)] += 1
            try:
                replay = sampled(network, replayed(part, number))
            except EngineBadOutput:
                doubted += 1
                continue
            doubted += replay.speech_ms < thresholds.min_speech_ms or replay.snr_db < thresholds.min_snr_db
            played[verdict(likeness(template.embedding, replay.embedding), thresholds)] += 1
    for name, counts in (("owners, live", live), ("owners, replayed by a loudspeaker", played)):
        shares = ", ".join(f"{word} {counts[word] / max(counts.total(), 1):.0%}" for word in
                           ("accepted", "asked for a code", "flagged"))  # fmt: skip
        print(f"{name}: {shares} of {counts.total()}")
    print(f"replays that would be in doubt (short or noisy) before any score: {doubted}")


def clone_table(network: VoiceNetwork, thresholds: VoiceThresholds) -> None:
    """One man's template, another synthesiser with his voice."""
    owner, clone = (synthetic_calls(voice, "ru") for voice in OTHER_SYNTHESISER)
    template = sampled(network, next(iter(stretches(owner[0], PLAN.enrol_ms))))
    scores = [likeness(template.embedding, sampled(network, part).embedding)
              for call in clone[1:] for part in stretches(call, PLAN.test_ms)]  # fmt: skip
    counts = Counter(verdict(score, thresholds) for score in scores)
    name = " by ".join(reversed(OTHER_SYNTHESISER))
    print(f"a clone ({name}): {dict(counts)}, scores {min(scores):.2f} to {max(scores):.2f}")


def measured(
    network: VoiceNetwork,
    voices: list[Voice],
    plan: Plan,
    left_out: LeftOut,
    synthetic: bool,
    accept: VoiceThresholds,
) -> Calibration:
    about = describe("benchmark", synthetic, voices, plan, left_out)
    return calibrated(make_trials(voices, plan), about, accept, network.model, utc_now())


def heard(network: VoiceNetwork, calls: dict[str, list[Pcm]], left_out: LeftOut) -> list[Voice]:
    return [hear_speaker(network, own, PLAN, left_out) for own in calls.values()]


def speaker_table(voices: list[Voice], plan: Plan) -> None:
    """The same rate with every speaker counting alike, and how many speakers have errors at that threshold."""
    trials = make_trials(voices, plan)
    _, threshold = Scores(
        trials.genuine.astype(float).tolist(), trials.impostor.astype(float).tolist()
    ).equal_error()
    same = trials.owners[:, None] == trials.speakers[None, :]
    missed, let_in = [], []
    for speaker in np.unique(trials.owners):
        own = trials.owners[:, None] == speaker
        genuine, strangers = (trials.scores[own & side & trials.tried] for side in (same, ~same))
        if len(genuine):
            missed.append(float(np.mean(genuine < threshold)))
        let_in.append(float(np.mean(strangers >= threshold)))
    print(f"every speaker alike at {threshold:.2f}: owners below {statistics.mean(missed):.2%}, others at or "
          f"above {statistics.mean(let_in):.2%}; owners of {sum(map(bool, missed))} of {len(missed)} "
          "have such tests")  # fmt: skip


def cohort_table(voices: list[Voice], plan: Plan, cohort: list[Voice]) -> None:
    """The equal error rate with scores normalised by other speakers."""
    vectors = np.array([vector for voice in cohort for vector in voice.enrolling])
    trials = make_trials(voices, plan, vectors)
    rate, _ = Scores(trials.genuine.astype(float).tolist(), trials.impostor.astype(float).tolist()).equal_error()
    low, high = trials.eer_interval()
    print(f"normalised by {len(vectors)} calls of {sum(bool(voice.enrolling) for voice in cohort)} others: "
          f"equal error rate {rate:.2%} ({low:.2%} to {high:.2%})")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--join", action="store_true", help="join short files into calls")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--enrol-calls", type=int, default=PLAN.enrol_calls)
    parser.add_argument("--cohort", type=Path, help="folder of other speakers")
    parser.add_argument("--no-replays", action="store_true")
    arguments = parser.parse_args()
    if (arguments.folder is None) != arguments.synthetic:
        parser.error("either a folder or --synthetic")
    settings = load_settings(Path())
    network, thresholds = VoiceNetwork(network_path(settings.models_dir)), voice_thresholds(settings)
    if arguments.synthetic:
        calls = {voice: synthetic_calls(voice, language) for voice, language in FREE_VOICES.items()}
    else:
        calls = recorded_calls(arguments.folder, arguments.join)
    print("processor, 3 s of speech: {:.0f} ms (median of 20), at most {:.0f} ms".format(
        *cost_ms(network, max((own[0] for own in calls.values() if own), key=len))))  # fmt: skip
    plan, left_out = replace(PLAN, enrol_calls=arguments.enrol_calls), LeftOut()
    voices = heard(network, calls, left_out)
    found = measured(network, voices, plan, left_out, arguments.synthetic, thresholds)
    said, equal = found.recordings, found.equal_error
    kind = "synthetic voices" if said.synthetic else "speakers"
    print(f"{said.speakers} {kind}, {said.calls} calls, {said.lone_calls} with one call only")
    print(f"{found.accept.frr.of} trials of owners, {found.accept.far.of} of others")
    ends = f"{equal.low:.2%} to {equal.high:.2%} over speakers"
    print(f"equal error rate {equal.value:.2%} ({ends}) at {equal.threshold:.2f}")
    for name, at in (("accept", found.accept), ("flag", found.flag)):
        print(f"{name} {at.threshold:.2f}: others at or above {at.far.value:.3%} (at most {at.far.high:.3%}), "
              f"owners below {at.frr.value:.2%} ({at.frr.low:.2%} to {at.frr.high:.2%})")  # fmt: skip
    speaker_table(voices, plan)
    if arguments.cohort is not None:
        others = recorded_calls(arguments.cohort, arguments.join)
        cohort_table(voices, plan, heard(network, others, LeftOut()))
    if not arguments.no_replays:
        replay_table(network, calls, thresholds)
    if arguments.synthetic:
        clone_table(network, thresholds)
        print("made by machines: no equal error rate of people")
        return 0
    return int(equal.value > BAR)


if __name__ == "__main__":
    sys.exit(main())
