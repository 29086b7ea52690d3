"""The doctor's look at the comparison of voices."""

from __future__ import annotations

from ivrbot import upkeep
from ivrbot.cli.doctor_checks import NotInUse
from ivrbot.config import Settings
from ivrbot.errors import EngineUnavailable, MissingError
from ivrbot.models import store as model_store
from ivrbot.storage.sealing import load_master_key
from ivrbot.voiceprint.calibration import calibration_path, load
from ivrbot.voiceprint.network import FOLDER


async def voices(settings: Settings) -> str:
    """Whether what compares voices is there, and whether anybody has measured it.

    Raises:
        NotInUse: the bank compares no voices.
        MissingError: the model, a library or the master key is missing.
        ConfigError: the master key is none.
    """
    if not settings.voiceprint.enabled:
        raise NotInUse("voiceprint.enabled is not set: no voice is kept or compared")
    if problems := model_store.verify(FOLDER, settings.models_dir):
        raise MissingError("; ".join(map(str, problems)), f"Run `ivrbot models pull {FOLDER}`.")
    load_master_key(settings.voiceprint.master_key_file)
    engine = upkeep.voiceprint_engine(settings)
    try:
        await engine.start()
        measured = load(calibration_path(settings.data_dir))
        if measured is None:
            return "error rates NOT measured: run `ivrbot voiceprint calibrate`"
        if measured.model != engine.model:
            return "error rates of ANOTHER model: run `ivrbot voiceprint calibrate`"
        return f"equal error rate {measured.equal_error.value:.1%}, measured {measured.measured_at:%Y-%m-%d}"
    except EngineUnavailable as error:
        raise MissingError(str(error), "Run `pip install 'ivrbot[voiceprint]'`.") from error
    finally:
        await engine.close()
