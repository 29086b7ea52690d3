"""Speech and language models: which there are, whether they are here and whole, and fetching them.

Takes a models folder and a source, gives verified files in that folder; engines are only ever handed paths.
May import config, model and errors; no engine imports it.
"""

from ivrbot.models.catalogue import Bundle, Model, ModelFile, Package, catalogue
from ivrbot.models.store import ModelState, installed, pull, verify

__all__ = [
    "Bundle",
    "Model",
    "ModelFile",
    "ModelState",
    "Package",
    "catalogue",
    "installed",
    "pull",
    "verify",
]
