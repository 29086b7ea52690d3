"""Models that no package carries: archives that their makers give away, for machines that have a way to them.

Sizes and hashes are those that several projects which pin these files have published alike (July 2026); where none
was found, none is stated, and `ivrbot models pull` says so.
"""

from __future__ import annotations

from typing import Final

from ivrbot.models.entry import Model

VOSK_PAGE: Final = "https://alphacephei.com/vosk/models"
_SHERPA_PAGE: Final = "https://k2-fsa.github.io/sherpa/onnx/pretrained_models"
_SHERPA_FILES: Final = "https://github.com/k2-fsa/sherpa-onnx/releases/download/asr-models"


def _sherpa(
    name: str, language: str, about: str, page: str, size_bytes: int, sha256: str, must_have: tuple[str, ...]
) -> Model:
    return Model(
        name=name,
        kind="asr",
        languages=(language,),
        licence="Apache-2.0 (its page)",
        about=about,
        page=f"{_SHERPA_PAGE}/{page}",
        archive=f"{name}.tar.bz2",
        address=f"{_SHERPA_FILES}/{name}.tar.bz2",
        archive_bytes=size_bytes,
        archive_sha256=sha256,
        must_have=must_have,
    )


def _vosk(name: str, language: str, about: str, size_bytes: int | None = None, sha256: str = "") -> Model:
    return Model(
        name=name,
        kind="asr",
        languages=(language,),
        licence="Apache-2.0 (its page)",
        about=about,
        page=VOSK_PAGE,
        archive=f"{name}.zip",
        address=f"{VOSK_PAGE}/{name}.zip",
        archive_bytes=size_bytes,
        archive_sha256=sha256,
        must_have=("am/final.mdl", "conf/mfcc.conf", "conf/model.conf"),
    )


ARCHIVED: Final = (
    _sherpa(
        "sherpa-onnx-streaming-t-one-russian-2025-09-08",
        "ru",
        "T-one, Russian, made for telephone speech: streams; word error rate 6 to 9 % by its README.",
        "online-ctc/t-one-ctc-models.html",
        128_468_156,
        "b9c907450e99a6e5049e279bf18368a17db0bdc5e63b7fa978943138debbe3ae",
        ("model.onnx", "tokens.txt"),
    ),
    _sherpa(
        "sherpa-onnx-streaming-zipformer-small-ru-vosk-int8-2025-08-16",
        "ru",
        "Zipformer, Russian, small: streams, and costs little.",
        "online-transducer/index.html",
        24_110_855,
        "6ba68a01ff3c5445aaf2d61e9b97b026f1149dcc9049d11af3f44f55176341d8",
        ("encoder.int8.onnx", "decoder.onnx", "joiner.int8.onnx", "tokens.txt"),
    ),
    _sherpa(
        "sherpa-onnx-streaming-zipformer-en-20M-2023-02-17",
        "en",
        "Zipformer, English, small: streams, and costs little.",
        "online-transducer/index.html",
        127_887_156,
        "9c559283e8498d3fe95913c79ca1cb454bb26281ac2b102b41306c7d752765d9",
        ("encoder-epoch-99-avg-1.int8.onnx", "decoder-epoch-99-avg-1.int8.onnx", "tokens.txt"),
    ),
    _vosk(
        "vosk-model-small-ru-0.22",
        "ru",
        "Vosk, Russian, small (45 MB): streams; telephone word error rate 13 to 16 % by T-one's comparison.",
    ),
    _vosk("vosk-model-ru-0.42", "ru", "Vosk, Russian, large (1.8 GB, needs about 6 GB of memory)."),
    _vosk(
        "vosk-model-small-en-us-0.15",
        "en",
        "Vosk, English, small.",
        41_205_931,
        "30f26242c4eb449f948e42cb302dd7a686cb29a3423a8367f99ff41780942498",
    ),
)
