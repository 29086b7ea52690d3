"""What the recognisers read: synthetic callers, recorded prompts of Asterisk, or one's own folder; with noise.

All sound is 8 kHz PCM16. Synthetic voices are labelled so. The recorded ones are Debian's packages
asterisk-core-sounds-en-gsm (with the texts beside them) and -ru-gsm (without texts: of them only the number words
are read, whose text their names tell); both are GSM-coded studio voices, and no callers.
"""

from __future__ import annotations

import ctypes
import gzip
import re
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from num2words import num2words

from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm, silence
from ivrbot.model.speech import Language
from ivrbot.tts.loudness import TelephoneFilter, active_dbfs, to_pcm, to_samples
from tests.caller_speech import CallerVoice, caller_pcm

GSM_FRAME_BYTES: Final = 33
GSM_FRAME_SAMPLES: Final = 160
EDGE_MS: Final = 200
RECORDED_WORDS: Final = range(4, 13)
NUMBERS: Final = (*range(21), 30, 40, 50, 60, 70, 80, 90, 100)

VOICES: Final[dict[Language, tuple[CallerVoice, ...]]] = {
    "ru": ("anna", "elena", "irina"),
    "en": ("bdl", "clb", "alan"),
}
SENTENCES: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "я потерял карту заблокируйте её пожалуйста",
        "сколько денег у меня на счёте",
        "с карты списали деньги а я ничего не покупал",
        "когда мне платить по кредиту",
        "мне не пришла зарплата",
        "соедините меня с оператором",
        "где находится ближайшее отделение банка",
        "какие у вас ставки по вкладам",
    ),
    "en": (
        "i have lost my card please block it",
        "how much money is there in my account",
        "i do not recognise a payment from yesterday",
        "when is my next loan payment due",
        "my salary has not arrived yet",
        "i would like to speak to an operator",
        "where is the nearest branch of the bank",
        "what rates do you offer on deposits",
    ),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """An utterance and what is said in it."""

    name: str
    said: str
    pcm: Pcm

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / SAMPLE_RATE_HZ


def synthetic(language: Language) -> list[Sample]:
    """Every sentence by one voice, in turn; rendered when they are first needed."""
    voices = VOICES[language]
    found = []
    for index, text in enumerate(SENTENCES[language]):
        voice = voices[index % len(voices)]
        found.append(Sample(f"{voice}: {text}", text, edged(caller_pcm(text, voice))))
    return found


def recorded(language: Language, root: Path, most: int) -> list[Sample]:
    """Asterisk's recordings in an unpacked root; none where they are not there."""
    sounds = root / "usr/share/asterisk/sounds"
    gsm = next(iter(sorted((root / "usr/lib").rglob("libgsm.so.1"))), None)
    if gsm is None:
        return []
    texts = _english(root) if language == "en" else _russian_numbers()
    folder = next(iter(sorted(sounds.glob(f"{language}_*"))), sounds)
    there = [(name, said) for name, said in texts.items() if (folder / f"{name}.gsm").is_file()]
    chosen = there[:: max(1, len(there) // most)][:most]
    return [Sample(name, said, edged(_decoded(folder / f"{name}.gsm", gsm))) for name, said in chosen]


def from_folder(folder: Path) -> list[Sample]:
    """WAV files (8 kHz, mono, 16 bit) named in texts.tsv: file name, tab, what is said.

    Raises:
        ValueError: another format.
    """
    samples = []
    for line in (folder / "texts.tsv").read_text("utf-8").splitlines():
        name, said = line.split("\t", 1)
        with wave.open(str(folder / name)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE_HZ, 1, 2):
                raise ValueError(f"{folder / name}: 8 kHz, mono, 16 bit is wanted")
            samples.append(Sample(name, said, Pcm(file.readframes(file.getnframes()))))
    return samples


def with_noise(samples: list[Sample], snr_db: float | None) -> list[Sample]:
    """The same with noise of a room in the telephone band, so far below the speech; None: as they are."""
    if snr_db is None:
        return samples
    random = np.random.default_rng(20)
    return [replace(sample, pcm=_noisy(sample.pcm, snr_db, random)) for sample in samples]


def _noisy(pcm: Pcm, snr_db: float, random: np.random.Generator) -> Pcm:
    """Brownish noise: rooms and streets have more of the low than of the high."""
    samples = to_samples(pcm)
    white = random.standard_normal(len(samples) + 400)
    pink = np.convolve(white, 0.9 ** np.arange(40), mode="same")
    chain = TelephoneFilter(SAMPLE_RATE_HZ, 1.0)
    banded = chain.feed(to_pcm((0.05 * pink / pink.std()).astype(np.float32))) + chain.finish()
    noise = to_samples(Pcm(banded))[: len(samples)]
    wanted_rms = 10 ** ((active_dbfs(samples) - snr_db) / 20)
    return to_pcm(samples + noise * np.float32(wanted_rms / noise.std()))


def edged(pcm: Pcm) -> Pcm:
    """The same with a little quiet before and behind it."""
    return Pcm(silence(EDGE_MS) + pcm + silence(EDGE_MS))


def _english(root: Path) -> dict[str, str]:
    file = root / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    if not file.is_file():
        return {}
    texts = {}
    for line in gzip.decompress(file.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, said = line.partition(":")
        plain = re.fullmatch(r"[A-Za-z' ,.?!-]+", said.strip())
        if plain and "-" not in said and len(said.split()) in RECORDED_WORDS:
            texts[name.strip()] = said.strip()
    return texts


def _russian_numbers() -> dict[str, str]:
    return {f"digits/{number}": str(num2words(number, lang="ru")) for number in NUMBERS}


def _decoded(file: Path, library: Path) -> Pcm:
    """GSM 06.10 full rate, by the library that Asterisk itself uses."""
    gsm = ctypes.CDLL(str(library))
    gsm.gsm_create.restype = ctypes.c_void_p
    gsm.gsm_decode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    gsm.gsm_destroy.argtypes = [ctypes.c_void_p]
    data, handle = file.read_bytes(), gsm.gsm_create()
    out = (ctypes.c_int16 * GSM_FRAME_SAMPLES)()
    pcm = bytearray()
    for start in range(0, len(data) - GSM_FRAME_BYTES + 1, GSM_FRAME_BYTES):
        gsm.gsm_decode(handle, data[start : start + GSM_FRAME_BYTES], ctypes.byref(out))
        pcm += bytes(out)
    gsm.gsm_destroy(handle)
    return Pcm(bytes(pcm))
