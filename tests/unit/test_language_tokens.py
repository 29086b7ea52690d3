"""Recogniser text -> tokens."""

from ivrbot.language.tokens import Kind, Token, normalise, tokenise, words


def test_one_spelling() -> None:
    assert normalise("  ЁЛКА\u00a0—  «Дом»  ", "ru") == "елка - «дом»"
    assert normalise("Don’t", "en") == "don't"
    assert normalise("сто\u0301рона", "ru") == "сторона"
    assert normalise("\uff14\uff12", "ru") == "42"


def test_digits_words_and_marks_are_told_apart() -> None:
    assert tokenise("5000р, да", "ru") == (
        Token("5000", Kind.DIGITS, spaced=True),
        Token("р", Kind.WORD, spaced=False),
        Token(",", Kind.MARK, spaced=False),
        Token("да", Kind.WORD, spaced=True),
    )


def test_quotation_marks_and_brackets_are_silent() -> None:
    assert words("(«да»)_", "ru") == ("да",)
    assert tokenise(" \n ", "ru") == ()
