"""Process settings: `ivrbot.toml`, then `IVRBOT_SECTION__NAME` variables, over defaults that work.

Takes a folder and an environment mapping, gives a frozen `Settings`; every wrong or unknown setting is reported at
once. Secrets never stand in the file: they come from the environment or from files in the data folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ivrbot.errors import ConfigError, MissingError, Problem
from ivrbot.model.opening import WeeklyHours, parse_hours

PROJECT_ROOT = Path(__file__).resolve().parent.parent

MOST_WORKERS: Final = 64
SIMULATED_MARK: Final = "simulated.txt"
"""File in a data folder whose calls nobody has made: every page says so."""
MAX_STEPS: Final = 20
"""Openings looked at until one lies within the hours for call-backs."""
FEWEST_EVENT_DAYS: Final = 60
"""Late news of a call (a disposition, an imported log) folds its contact again, which takes its events."""
SECRET: Final = ("database.url",)
"""Settings that may hold a secret by mistake: not shown in errors."""
MASTER_KEY_VARIABLE: Final = "IVRBOT_VOICEPRINT_MASTER_KEY"
"""A secret beside the settings, read where it is needed and nowhere else."""
LISTS: Final = ("allowed_addresses", "proxies", "callback_prefixes", "recipients")
"""Settings that the environment gives as words between commas."""


AsrName = Literal["auto", "whisper", "vosk", "vosk-server", "sherpa"]
TtsName = Literal["auto", "none", "rhvoice", "piper", "pyttsx3"]


class Section(BaseModel):
    """Base of all sections: unknown names are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WebSettings(Section):
    """HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    login: Literal["always", "phone", "local"] = "always"
    proxies: tuple[str, ...] = ()

    @field_validator("proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy, strict=False)
        return proxies


class DatabaseSettings(Section):
    """The store: a SQLite file in the data folder, or PostgreSQL by its address."""

    url: str = ""
    password_file: Path | None = None


class MediaSettings(Section):
    """AudioSocket gateway."""

    host: str = "127.0.0.1"
    port: int = Field(9092, ge=0, le=65535)
    allowed_addresses: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    registered_only: bool = True
    silent_peer_s: float = Field(10.0, gt=0)


class CallSettings(Section):
    """Limits and habits of a call."""

    max_calls: int = Field(20, ge=1)
    max_call_s: int = Field(600, ge=30)
    language: Literal["ru", "en"] = "ru"
    language_by_called: dict[str, Literal["ru", "en"]] = Field(default_factory=dict)
    front: Literal["auto", "speech", "keys", "external_ivr"] = "auto"
    recorded: bool = False
    ask_score: bool = True
    comfort_noise: bool = True
    thinking_sound: bool = True
    bank_slow_ms: int = Field(2000, ge=100)
    bank_deadline_ms: int = Field(6000, ge=500)
    drain_s: int = Field(600, ge=0)


class CapacitySettings(Section):
    """What is left out under load, and when callers go to operators because nobody could be served well."""

    ease: bool = True
    ease_wait_ms: int = Field(150, ge=10)
    ease_processor: float = Field(0.9, gt=0, le=1)
    ease_lag_ms: int = Field(100, ge=10)
    admit: Literal["measured", "cap"] = "measured"
    admit_always: int = Field(2, ge=1)
    admit_wait_ms: int = Field(500, ge=50)
    admit_lag_ms: int = Field(300, ge=20)
    min_free_mb: int = Field(100, ge=0)


class RecordingSettings(Section):
    """Recording of calls by the bot; the greeting then says so."""

    enabled: bool = False
    dir: Path | None = None
    days: int = Field(30, ge=1, le=3650)
    min_free_mb: int = Field(500, ge=10)


class RetentionSettings(Section):
    """After how many days kinds of data are erased; 0 keeps them. Recordings have `recording.days`."""

    numbers_days: int = Field(180, ge=0, le=3650)
    transcripts_days: int = Field(365, ge=0, le=3650)
    dossiers_days: int = Field(365, ge=0, le=3650)
    events_days: int = Field(0, ge=0, le=3650)

    @field_validator("events_days")
    @classmethod
    def _after_evidence(cls, days: int) -> int:
        if 0 < days < FEWEST_EVENT_DAYS:
            raise ValueError(f"0, or {FEWEST_EVENT_DAYS} and more: contacts are folded from events")
        return days


class TracingSettings(Section):
    """Traces of turns for OpenTelemetry; off while `endpoint` is empty."""

    endpoint: str = Field("", pattern=r"^(https?://\S+)?$")
    share: float = Field(1.0, gt=0, le=1)


class AsrSettings(Section):
    """Speech recognition."""

    engine: AsrName = "auto"
    engines: dict[Literal["ru", "en"], AsrName] = Field(default_factory=dict)
    vosk_servers: dict[Literal["ru", "en"], str] = Field(default_factory=dict)
    instances: int = Field(2, ge=1, le=16)
    deadline_ms: int = Field(6000, ge=500)


class NluSettings(Section):
    """Understanding."""

    engine: Literal["embedded", "rasa"] = "embedded"
    rasa_url: str = Field("http://127.0.0.1:5005", pattern=r"^https?://[^/?#]+/?$")
    rasa_token_file: Path | None = None
    rasa_deadline_ms: int = Field(300, ge=20, le=2000)


class TtsSettings(Section):
    """Speech output."""

    engine: TtsName = "auto"
    engines: dict[Literal["ru", "en"], TtsName] = Field(default_factory=dict)
    voice_ru: str = "aleksandr"
    voice_en: str = "slt"
    rhvoice_dir: Path | None = None
    prompts_dir: Path = PROJECT_ROOT / "audio_prompts"


class VoiceprintSettings(Section):
    """Comparing voices; off unless the bank switches it on and the caller consented."""

    enabled: bool = False
    accept: float = Field(0.84, gt=0, lt=1)
    flag: float = Field(0.45, gt=-1, lt=1)
    min_speech_ms: int = Field(5000, ge=1000, le=60_000)
    min_snr_db: float = Field(10.0, ge=0, le=40)
    master_key_file: Path | None = None


class SmsSettings(Section):
    """Short messages with one-time codes."""

    via: Literal["off", "file", "http"] = "off"
    folder: Path | None = None
    url: str = Field("", pattern=r"^(https?://\S+)?$")
    token_file: Path | None = None
    deadline_ms: int = Field(3000, ge=200, le=20_000)


class BankSettings(Section):
    """The bank's back end."""

    engine: Literal["simulator"] = "simulator"


class AsteriskSettings(Section):
    """Asterisk: manager interface (off while `ami_host` is empty) and queue_log (off while `queue_log` is)."""

    ami_host: str = ""
    ami_port: int = Field(5038, ge=1, le=65535)
    ami_user: str = "ivrbot"
    ami_secret_file: Path | None = None
    queue_log: str = ""
    queue_branches: dict[str, str] = Field(default_factory=dict)


class TwilioSettings(Section):
    """Calls by Twilio, or by a provider that speaks its protocol."""

    public_url: str = Field("", pattern=r"^(https?://[^\s?#]+)?$")
    auth_token_file: Path | None = None
    queues: dict[str, str] = Field(default_factory=dict)

    @field_validator("queues")
    @classmethod
    def _targets(cls, queues: dict[str, str]) -> dict[str, str]:
        for queue, target in queues.items():
            if not re.fullmatch(r"\+[0-9]{5,15}|sips?:[^\s?]+@[^\s?]+", target):
                raise ValueError(f"{queue}: {target!r} is neither a number as +74950000000 nor a sip: address")
        return queues

    @model_validator(mode="after")
    def _whole(self) -> TwilioSettings:
        if self.public_url and (self.auth_token_file is None or "other" not in self.queues):
            raise ValueError("twilio.public_url needs twilio.auth_token_file and a target for the queue 'other'")
        return self


class OperatorSettings(Section):
    """Operators' queues: opening hours, honest waiting times, call-backs."""

    timezone: str = "Europe/Moscow"
    hours: dict[str, str] = Field(default_factory=dict)
    tell_wait_above_s: int = Field(60, ge=0, le=3600)
    callbacks: Literal["off", "desk", "dial"] = "desk"
    callback_hours: str = "mon-sun 09:00-21:00"
    callback_attempts: int = Field(3, ge=1, le=10)
    callback_pause_s: int = Field(900, ge=10, le=86_400)
    callback_queue_s: int = Field(120, ge=5, le=1800)
    callback_ring_s: int = Field(30, ge=5, le=120)
    callback_prefixes: tuple[str, ...] = ("+7",)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError("no such time zone") from error
        return name

    @field_validator("hours", "callback_hours")
    @classmethod
    def _readable(cls, hours: dict[str, str] | str) -> dict[str, str] | str:
        for text in hours.values() if isinstance(hours, dict) else [hours]:
            parse_hours(text)
        return hours

    def is_open(self, queue: str, now: datetime) -> bool:
        """Whether a queue is served at a moment: by its own hours, else those of "default", else always."""
        return self._hours_of(queue).is_open(now, self.timezone)

    def next_open(self, queue: str, now: datetime) -> datetime:
        """The next moment, or now, at which a queue is served and callers may be rung."""
        at = now
        for _ in range(MAX_STEPS):
            served = self._hours_of(queue).next_open(at, self.timezone)
            at = parse_hours(self.callback_hours).next_open(served, self.timezone)
            if at == served:
                break
        return at

    def _hours_of(self, queue: str) -> WeeklyHours:
        return parse_hours(self.hours.get(queue, self.hours.get("default", "")))


class ModelSettings(Section):
    """Where speech and language models are taken from."""

    dir: Path | None = None
    source: str = "packages"


class RolloutSettings(Section):
    """The plan, and the controller that follows it."""

    plan: Path = Path("rollout.yaml")
    interval_s: float = Field(300.0, ge=10, le=86_400)
    query_s: float = Field(20.0, gt=0, le=45)


class CostSettings(Section):
    """Prices for the cost of a resolution, in minor units (kopecks); 0: not told, no cost is shown."""

    currency: str = Field("RUB", pattern=r"^[A-Z]{3}$")
    bot_minute_minor: float = Field(0.0, ge=0)
    operator_minute_minor: float = Field(0.0, ge=0)


class ReportSettings(Section):
    """The analytical export that reports read."""

    export_s: float = Field(600.0, ge=10, le=86_400)


class MailSettings(Section):
    """The weekly summary by mail; off by default."""

    via: Literal["off", "file", "smtp"] = "off"
    sender: str = ""
    recipients: tuple[str, ...] = ()
    language: Literal["ru", "en"] = "ru"
    weekday: int = Field(1, ge=1, le=7)
    hour: int = Field(8, ge=0, le=23)
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(25, ge=1, le=65535)
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    link: str = Field("", pattern=r"^(https?://[^\s]+)?$")


def _workers(value: object) -> int | Literal["auto"]:
    """One error where a union would make two, none of them in the setting's name."""
    if value == "auto":
        return "auto"
    text = str(value)
    if not isinstance(value, bool) and text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS:
        return int(text)
    raise PydanticCustomError(
        "workers", "Input should be a number of workers", {"expected": f"1 to {MOST_WORKERS}, or 'auto'"}
    )


class Settings(Section):
    """All settings."""

    data_dir: Path = Path("var")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    workers: Annotated[int | Literal["auto"], PlainValidator(_workers)] = 1
    flows_dir: Path = PROJECT_ROOT / "flows"
    nlu_data_dir: Path = PROJECT_ROOT / "nlu_data"
    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    media: MediaSettings = MediaSettings()
    call: CallSettings = CallSettings()
    capacity: CapacitySettings = CapacitySettings()
    recording: RecordingSettings = RecordingSettings()
    tracing: TracingSettings = TracingSettings()
    asr: AsrSettings = AsrSettings()
    nlu: NluSettings = NluSettings()
    tts: TtsSettings = TtsSettings()
    voiceprint: VoiceprintSettings = VoiceprintSettings()
    sms: SmsSettings = SmsSettings()
    bank: BankSettings = BankSettings()
    asterisk: AsteriskSettings = AsteriskSettings()
    twilio: TwilioSettings = TwilioSettings()
    operators: OperatorSettings = OperatorSettings()
    models: ModelSettings = ModelSettings()
    rollout: RolloutSettings = RolloutSettings()
    retention: RetentionSettings = RetentionSettings()
    costs: CostSettings = CostSettings()
    reports: ReportSettings = ReportSettings()
    mail: MailSettings = MailSettings()

    @property
    def models_dir(self) -> Path:
        """Folder that holds the models."""
        return self.models.dir or self.data_dir / "models"

    @property
    def recordings_dir(self) -> Path:
        """Folder that holds the recordings of calls."""
        return self.recording.dir or self.data_dir / "recordings"


def make_data_dir(path: Path) -> Path:
    """The data folder, made where there is none.

    Raises:
        MissingError: it cannot be made; names it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Set data_dir (IVRBOT_DATA_DIR) to a folder that may be written."
        raise MissingError(f"the data folder {path} cannot be made: {error.strerror}", fix) from error
    return path


def load_settings(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings in force.

    Args:
        folder: where `ivrbot.toml` may lie.
        environ: environment to read; the process's own by default.

    Raises:
        ConfigError: every unknown name and wrong value, with the place it came from.
    """
    environ = os.environ if environ is None else environ
    file = folder / "ivrbot.toml"
    origin: dict[str, str] = {}
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(file), None, "", "", f"not valid TOML: {error}")]) from error
    except OSError as error:
        raise ConfigError([Problem(str(file), None, "", "", f"cannot be read: {error.strerror}")]) from error
    for name, value in environ.items():
        if name.startswith("IVRBOT_") and name != MASTER_KEY_VARIABLE:
            path = name.removeprefix("IVRBOT_").lower().split("__")
            _put(values, path, value)
            origin[".".join(path)] = name
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_problems(error, file, origin)) from error


def _put(values: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[path[-1]] = value.split(",") if path[-1] in LISTS else value


def _problems(error: ValidationError, file: Path, origin: Mapping[str, str]) -> list[Problem]:
    problems = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] == "extra_forbidden"
        allowed = ", ".join(_names(path)) if unknown else str(item.get("ctx", {}).get("expected", ""))
        message = "unknown setting" if unknown else item["msg"]
        problems.append(
            Problem(
                origin.get(path, str(file)),
                None,
                path,
                "" if path in SECRET else str(item["input"])[:80],
                message,
                allowed,
            )
        )
    return problems


def _names(path: str) -> list[str]:
    """Names allowed beside the last part of `path`."""
    model: Any = Settings
    for part in path.split(".")[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else Settings
    return sorted(getattr(model, "model_fields", {}))
