"""Settings: where they come from, how mistakes are told, and that each of them is documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from ivrbot.config import Settings, load_settings
from ivrbot.errors import ConfigError, Problem

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def names(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Every setting by its dotted name."""
    found = []
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += names(inner, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


def problems_of(folder: Path, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(folder, environ or {})
    return caught.value.problems


def write(folder: Path, text: str) -> Path:
    path = folder / "ivrbot.toml"
    path.write_text(text, "utf-8")
    return path


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"PATH": "/bin", "IVRBOTX": "1"}) == Settings()


def test_a_file_and_the_environment_over_it(tmp_path: Path) -> None:
    write(tmp_path, '[web]\nport = 9000\nhost = "0.0.0.0"\n[call]\nmax_calls = 5\n')
    settings = load_settings(tmp_path, {"IVRBOT_WEB__PORT": "9100", "IVRBOT_DATA_DIR": "/srv/bot"})
    assert (settings.web.port, settings.web.host, settings.call.max_calls) == (9100, "0.0.0.0", 5)
    assert settings.data_dir == Path("/srv/bot")
    assert settings.models_dir == Path("/srv/bot/models")


def test_lists_from_the_environment(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {"IVRBOT_MEDIA__ALLOWED_ADDRESSES": "10.0.0.0/8,::1/128"})
    assert settings.media.allowed_addresses == ("10.0.0.0/8", "::1/128")


def test_languages_by_dialled_number(tmp_path: Path) -> None:
    write(tmp_path, '[call.language_by_called]\n"84951234567" = "en"\n')
    assert load_settings(tmp_path, {}).call.language_by_called == {"84951234567": "en"}


def test_an_unknown_setting_names_the_allowed_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "[web]\nprot = 9000\n")
    (problem,) = problems_of(tmp_path)
    assert (problem.file, problem.path, problem.message) == (str(path), "web.prot", "unknown setting")
    assert problem.allowed == "host, login, port, proxies"


def test_an_unknown_section_names_the_allowed_ones(tmp_path: Path) -> None:
    write(tmp_path, "[wbe]\nport = 9000\n")
    (problem,) = problems_of(tmp_path)
    assert problem.path == "wbe"
    assert {"web", "media", "data_dir"} <= set(problem.allowed.split(", "))


def test_a_wrong_value_of_the_environment_names_the_variable(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"IVRBOT_WEB__PORT": "http"})
    assert (problem.file, problem.path, problem.value) == ("IVRBOT_WEB__PORT", "web.port", "http")


def test_a_wrong_choice_names_the_choices(tmp_path: Path) -> None:
    write(tmp_path, '[asr]\nengine = "ears"\n')
    (problem,) = problems_of(tmp_path)
    assert "whisper" in problem.allowed


def test_all_problems_at_once(tmp_path: Path) -> None:
    write(tmp_path, "[web]\nport = 70000\nhots = 1\n[call]\nmax_calls = 0\n[nothing]\n")
    found = {problem.path for problem in problems_of(tmp_path, {"IVRBOT_LOG_LEVEL": "loud"})}
    assert found == {"web.port", "web.hots", "call.max_calls", "nothing", "log_level"}


@pytest.mark.parametrize("text", ["[web\n", "[web]\nport = \n"])
def test_no_toml(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    (problem,) = problems_of(tmp_path)
    assert problem.file == str(path)
    assert "not valid TOML" in problem.message


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "ivrbot.toml").write_bytes(b"\xff\xfe")
    (problem,) = problems_of(tmp_path)
    assert "not valid TOML" in problem.message


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().web.port = 1  # type: ignore[misc]


def test_every_setting_is_documented() -> None:
    if not REFERENCE.is_file():
        pytest.fail(f"{REFERENCE.relative_to(REFERENCE.parents[2])} is missing")
    text = REFERENCE.read_text("utf-8")
    missing = [name for name in names() if not re.search(rf"`{re.escape(name)}`", text)]
    assert missing == []


@pytest.mark.parametrize("value", ["zero", "0", "65", "-1", "1.5", ""])
def test_a_wrong_number_of_workers_is_one_problem_in_the_name_of_its_variable(tmp_path: Path, value: str) -> None:
    (problem,) = problems_of(tmp_path, {"IVRBOT_WORKERS": value})
    assert (problem.file, problem.path, problem.allowed) == ("IVRBOT_WORKERS", "workers", "1 to 64, or 'auto'")


@pytest.mark.parametrize(("value", "workers"), [("auto", "auto"), ("3", 3)])
def test_workers_by_number_or_by_themselves(tmp_path: Path, value: str, workers: int | str) -> None:
    assert load_settings(tmp_path, {"IVRBOT_WORKERS": value}).workers == workers
