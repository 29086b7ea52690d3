"""RHVoice's C library by ctypes: where it lies, which voices there are, and speaking with it.

Takes a folder (an unpacked root, or the system), gives PCM16 in chunks through a callback. Used inside the worker
process only: a crash in the library must not take a call with it. Text goes in as plain text, never as SSML, which
makes RHVoice 1.8 and 1.14 crash or fall silent.
Source: RHVoice.h and RHVoice_common.h of RHVoice 1.8 and 1.14 (structures and signatures).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import EngineBadOutput, EngineUnavailable

LIBRARY_NAME: Final = "libRHVoice.so.5"
HOW_TO_GET: Final = (
    "Install Debian's packages librhvoice5, rhvoice-russian and rhvoice-english (component non-free), or unpack "
    "them without installing by `python tools/rhvoice_unpack.py`, or name an unpacked root in tts.rhvoice_dir"
)
UNPACKED_ROOT: Final = PROJECT_ROOT / ".cache" / "rhvoice" / "root"

_SYSTEM_DATA = (Path("/usr/share/RHVoice"), Path("/usr/local/share/RHVoice"))
_NEEDS = ("libsonic.so.0", "libRHVoice_core.so.*")
_MESSAGE_TEXT = 0  # RHVoice_message_text; 1 would be SSML
_LANGUAGES = {"Russian": "ru", "English": "en"}

_SetRate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_Play = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_uint, ctypes.c_void_p)


class _Callbacks(ctypes.Structure):
    _fields_ = (
        ("set_sample_rate", _SetRate),
        ("play_speech", _Play),
        ("process_mark", ctypes.c_void_p),
        ("word_starts", ctypes.c_void_p),
        ("word_ends", ctypes.c_void_p),
        ("sentence_starts", ctypes.c_void_p),
        ("sentence_ends", ctypes.c_void_p),
        ("play_audio", ctypes.c_void_p),
        ("done", ctypes.c_void_p),
    )


class _InitParams(ctypes.Structure):
    _fields_ = (
        ("data_path", ctypes.c_char_p),
        ("config_path", ctypes.c_char_p),
        ("resource_paths", ctypes.POINTER(ctypes.c_char_p)),
        ("callbacks", _Callbacks),
        ("options", ctypes.c_uint),
    )


class _SynthParams(ctypes.Structure):
    _fields_ = (
        ("voice_profile", ctypes.c_char_p),
        ("absolute_rate", ctypes.c_double),
        ("absolute_pitch", ctypes.c_double),
        ("absolute_volume", ctypes.c_double),
        ("relative_rate", ctypes.c_double),
        ("relative_pitch", ctypes.c_double),
        ("relative_volume", ctypes.c_double),
        ("punctuation_mode", ctypes.c_int),
        ("punctuation_list", ctypes.c_char_p),
        ("capitals_mode", ctypes.c_int),
        ("flags", ctypes.c_int),
    )


@dataclass(frozen=True, slots=True)
class Installation:
    """A copy of RHVoice on this machine.

    Attributes:
        library: file or soname to load.
        needs: libraries to load first, in order; empty where the system's linker finds them.
        data: folder with `voices/` and `languages/`.
    """

    library: str
    needs: tuple[Path, ...]
    data: Path

    def voices(self) -> dict[str, str]:
        """Voices on disk, lower-case name to language code ("ru", "en"); other languages are left out."""
        found = {}
        for info in sorted(self.data.glob("voices/*/voice.info")):
            fields = dict(line.split("=", 1) for line in info.read_text("utf-8").splitlines() if "=" in line)
            language = _LANGUAGES.get(fields.get("language", ""))
            if language:
                found[fields.get("name", info.parent.name).lower()] = language
        return found


def find_installation(root: Path | None) -> Installation:
    """Look for RHVoice in a given root, in the system, and in the repository's own unpacked copy, in this order.

    Args:
        root: an unpacked root (holds `usr/lib/...` and `usr/share/RHVoice`), or None.

    Raises:
        EngineUnavailable: nowhere; says which packages to install. A given root that holds none is an error too.
    """
    if root is not None:
        installation = _in_root(root)
        if installation is None:
            raise EngineUnavailable(f"no RHVoice under {root}. {HOW_TO_GET}")
        return installation
    installation = _in_system() or _in_root(UNPACKED_ROOT)
    if installation is None:
        raise EngineUnavailable(f"RHVoice ({LIBRARY_NAME}) is not on this machine. {HOW_TO_GET}")
    return installation


def _in_root(root: Path) -> Installation | None:
    libraries = sorted(root.glob(f"usr/lib/**/{LIBRARY_NAME}"))
    needs = [next(iter(sorted(root.glob(f"usr/lib/**/{name}"))), None) for name in _NEEDS]
    data = root / "usr" / "share" / "RHVoice"
    if not libraries or not data.is_dir():
        return None
    return Installation(str(libraries[0]), tuple(file for file in needs if file), data)


def _in_system() -> Installation | None:
    data = next((folder for folder in _SYSTEM_DATA if (folder / "voices").is_dir()), None)
    folders = (Path("/usr/lib"), Path("/usr/local/lib"))
    present = any(next(folder.glob(pattern), None) for folder in folders for pattern in _library_patterns())
    return Installation(LIBRARY_NAME, (), data) if data and present else None


def _library_patterns() -> tuple[str, str]:
    return LIBRARY_NAME, f"*/{LIBRARY_NAME}"


class RhvoiceLibrary:
    """The loaded library with one speech engine. Not thread-safe (1.8 corrupts memory under threads): one user."""

    def __init__(self, installation: Installation) -> None:
        try:
            for file in installation.needs:
                ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
            self._lib: Any = ctypes.CDLL(installation.library)
        except OSError as error:
            raise EngineUnavailable(f"RHVoice does not load: {error}. {HOW_TO_GET}") from error
        self._declare()
        self._sink: Callable[[bytes], bool] = lambda _pcm: True
        self.rate_hz = 24000
        # ctypes frees callbacks that nothing holds: these live as long as the engine
        self._on_rate = _SetRate(self._set_rate)
        self._on_play = _Play(self._play)
        params = _InitParams()
        params.data_path = str(installation.data).encode()
        # an empty configuration: a machine's RHVoice.conf must not change what the prompts sound like
        params.config_path = b"/nonexistent"
        params.callbacks.set_sample_rate = self._on_rate
        params.callbacks.play_speech = self._on_play
        self._engine = self._lib.RHVoice_new_tts_engine(ctypes.byref(params))
        if not self._engine:
            raise EngineUnavailable(f"RHVoice finds no voices under {installation.data}. {HOW_TO_GET}")

    @property
    def version(self) -> str:
        """Version of the library ("1.8.0")."""
        return str(self._lib.RHVoice_get_version().decode())

    def speak(self, text: str, voice: str, sink: Callable[[bytes], bool], tempo: float = 1.0) -> None:
        """Speak plain text; blocks until the end.

        Args:
            text: what to say; markup is read aloud as text.
            voice: name of a voice ("aleksandr").
            sink: called with PCM16 little-endian mono at `rate_hz`, about 100 ms each; False stops.
            tempo: relative speed of speech.

        Raises:
            EngineBadOutput: the library refused the text or the voice.
        """
        self._sink = sink
        params = _SynthParams(voice.encode(), 0, 0, 0, tempo, 1, 1)
        data = text.encode("utf-8")
        message = self._lib.RHVoice_new_message(
            self._engine, data, len(data), _MESSAGE_TEXT, ctypes.byref(params), None
        )
        if not message:
            raise EngineBadOutput(f"RHVoice refused the text or does not know voice {voice}")
        try:
            self._lib.RHVoice_speak(message)
        finally:
            self._lib.RHVoice_delete_message(message)

    def _declare(self) -> None:
        lib = self._lib
        lib.RHVoice_get_version.restype = ctypes.c_char_p
        lib.RHVoice_new_tts_engine.restype = ctypes.c_void_p
        lib.RHVoice_new_tts_engine.argtypes = [ctypes.POINTER(_InitParams)]
        lib.RHVoice_new_message.restype = ctypes.c_void_p
        lib.RHVoice_new_message.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.POINTER(_SynthParams),
            ctypes.c_void_p,
        ]
        lib.RHVoice_speak.argtypes = [ctypes.c_void_p]
        lib.RHVoice_delete_message.argtypes = [ctypes.c_void_p]

    def _set_rate(self, rate_hz: int, _user: object) -> int:
        self.rate_hz = rate_hz
        return 1

    def _play(self, samples: Any, count: int, _user: object) -> int:
        return int(self._sink(ctypes.string_at(samples, count * 2)))
