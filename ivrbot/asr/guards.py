"""Guards against text that nobody said.

Takes what Whisper wrote, gives it cleaned, or "" for inventions. Trained on subtitled films, it fills silence and
noise with subtitle credits and channel greetings, or repeats itself without end (Koenecke et al. 2024, "Careless
Whisper"; Radford et al. 2022, section 4.5). None of these phrases can be a wish of a bank's caller. Pure.
"""

from __future__ import annotations

import re
from typing import Final

NO_SPEECH_LIMIT: Final = 0.6
DOUBTFUL_LOG_PROB: Final = -1.1
HOPELESS_LOG_PROB: Final = -1.25
_MIN_CAPTION_LETTERS: Final = 4
_LETTER_RUN = re.compile(r"([^\W\d_])\1{4,}", re.IGNORECASE)
_MAX_WORDS_PER_S: Final = 7.0
_MIN_REPEATS: Final = {1: 7, 2: 5, 3: 4, 4: 3}
_MIN_REPEATS_LONG: Final = 3
_LONGEST_PHRASE_WORDS: Final = 12

_MARKUP = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪[^♪]*♪|♪|<\|[^|]*\|>")
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+")

_INVENTED_ANYWHERE = re.compile(
    r"субтитр|корректор [а-я]\.|редактор [а-я]\.|dimatorzok|amara\.org|subtitles? by|captions? by|captioning"
    r"|подпи(?:сы|ши)\w* (?:на|на мой|на наш) канал|на (?:мой|наш) канал|не забудьте подписаться|ставьте лайк"
    r"|subscribe to (?:my|the|our) channel|like and subscribe|(?:www|http)\W|transcribed by|©",
    re.IGNORECASE,
)
_INVENTED_WHOLE = frozenset(
    (
        "продолжение следует",
        "спасибо за просмотр",
        "спасибо за внимание",
        "спасибо за субтитры",
        "до новых встреч",
        "всем пока",
        "с вами был игорь негода",
        "играет музыка",
        "музыка",
        "аплодисменты",
        "смех",
        "thanks for watching",
        "thank you for watching",
        "thank you so much for watching",
        "see you in the next video",
        "see you next time",
        "music",
        "applause",
        "you",
    )
)


def clean(text: str) -> str:
    """Drop markup such as [music] and superfluous blanks."""
    return _SPACES.sub(" ", _MARKUP.sub(" ", text)).strip()


def unloop(text: str) -> str:
    """Say once what is nothing but one phrase in a loop: the decoder hangs on a phrase that was spoken.

    Repetitions that a caller may mean ("ноль ноль ноль ноль") stay.
    """
    tokens = text.split()
    bare = [" ".join(_words(token)) for token in tokens]
    for size in range(1, len(tokens) // _MIN_REPEATS_LONG + 1):
        whole = len(tokens) - len(tokens) % size
        # The last repetition may be cut off.
        same = all(bare[index] == bare[index % size] for index in range(whole))
        if same and whole // size >= _MIN_REPEATS.get(size, _MIN_REPEATS_LONG):
            return " ".join(tokens[:size])
    return text


def is_doubtful(no_speech: float, log_prob: float) -> bool:
    """Whether a reading is too unlikely to be speech.

    In a short window the no-speech probability alone tells nothing: clearly spoken digits reach 0.9, noise 0.4. It
    counts together with the average log probability, as in Radford et al. 2022, section 4.5; in this window speech
    stayed above -1.05 and noise that was no caption below -1.2, by a decoder whose scores lay 0.05 lower.
    """
    return log_prob < HOPELESS_LOG_PROB or (no_speech > NO_SPEECH_LIMIT and log_prob < DOUBTFUL_LOG_PROB)


def is_caption(text: str) -> bool:
    """Whether the text describes a sound: subtitles write those in capitals ("ВЫСТРЕЛЫ"), and never speech."""
    letters = [char for char in text if char.isalpha()]
    return len(letters) >= _MIN_CAPTION_LETTERS and all(char.isupper() for char in letters)


def is_invented(text: str) -> bool:
    """Whether the text is one of the things that Whisper says to silence and noise."""
    words = _words(text)
    if is_caption(text) or _LETTER_RUN.search(text):
        return True
    return not words or " ".join(words) in _INVENTED_WHOLE or _INVENTED_ANYWHERE.search(text) is not None


def is_repetitive(text: str, audio_s: float) -> bool:
    """Whether the text runs in a loop, or holds more words than a mouth can say.

    Args:
        text: cleaned text.
        audio_s: length of the sound in seconds.
    """
    words = _words(text)
    if len(words) > 3 + _MAX_WORDS_PER_S * audio_s:
        return True
    return any(
        _longest_run(words, size) >= _MIN_REPEATS.get(size, _MIN_REPEATS_LONG)
        for size in range(1, min(_LONGEST_PHRASE_WORDS, len(words) // 2) + 1)
    )


def _longest_run(words: list[str], size: int) -> int:
    """How often a phrase of `size` words stands behind itself at most."""
    longest = matches = 0
    for index in range(size, len(words)):
        matches = matches + 1 if words[index] == words[index - size] else 0
        longest = max(longest, matches)
    return 1 + longest // size


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
