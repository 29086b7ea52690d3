"""The hearing side of the package on one page: text -> values.

Takes recogniser text and the language, gives values or None; None also means "ambiguous, ask again".
"""

from ivrbot.language.answers import parse_yes_no
from ivrbot.language.codes import parse_digits, parse_phone
from ivrbot.language.commands import Universal, universal
from ivrbot.language.dates import parse_date
from ivrbot.language.money import parse_amount
from ivrbot.language.negation import has_negation

__all__ = [
    "Universal",
    "has_negation",
    "parse_amount",
    "parse_date",
    "parse_digits",
    "parse_phone",
    "parse_yes_no",
    "universal",
]
