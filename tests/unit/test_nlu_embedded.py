"""The embedded engine's decisions, its regression, and how well it understands sentences it has never seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.nlu import ACTS, SETS, right, rows_of
from ivrbot.errors import ConfigError
from ivrbot.model.speech import LANGUAGES, OUT_OF_SCOPE
from ivrbot.nlu.classifier import NOISE_SHARE, OUT_OF_SCOPE_WEIGHT, TextClassifier
from ivrbot.nlu.data import Example
from ivrbot.nlu.embedded import REFUSED, REJECT_BELOW_WITHOUT_ENCODER, EmbeddedNlu, teaching
from ivrbot.nlu.evaluate import engine_from_rows, evaluate, read_rows, report
from ivrbot.nlu.features import SparseRows, TextFeatures, sound_ngrams
from ivrbot.nlu.regression import SoftmaxRegression
from ivrbot.nlu.text import normalise
from tests.unit.nlu_engines import TEST_DATA, classifier, encoder_path


@pytest.fixture
async def engine():
    engine = EmbeddedNlu(classifier(None), reject_below=REJECT_BELOW_WITHOUT_ENCODER)
    yield engine
    await engine.close()


async def test_low_confidence_is_out_of_scope(engine) -> None:
    strict = EmbeddedNlu(classifier(None), reject_below=1.0)
    loose = EmbeddedNlu(classifier(None), reject_below=0.0)
    text = "у меня украли карту"
    assert loose.parse_now(text, "ru").intent == "block_card"
    rejected = strict.parse_now(text, "ru")
    assert rejected.intent == "out_of_scope"
    assert rejected.ranking[0].name == "block_card"
    assert rejected.confidence == pytest.approx(1 - rejected.ranking[0].confidence)
    await strict.close()
    await loose.close()


async def test_each_language_has_its_own_threshold() -> None:
    engine = EmbeddedNlu(classifier(None), reject_below={"ru": 1.0, "en": 0.0})
    assert engine.parse_now("у меня украли карту", "ru").intent == "out_of_scope"
    assert engine.parse_now("my card was stolen", "en").intent == "block_card"
    await engine.close()


async def test_a_refused_topic_gives_way_to_the_one_asked_for(engine) -> None:
    assert (await engine.parse("не надо блокировать карту", "ru")).intent == "out_of_scope"
    rows = [("block_card", "блокируйте карту"), ("block_card", "карту"), ("card_reissue", "перевыпустите")]
    small = engine_from_rows([*rows, ("greet", "алло"), ("out_of_scope", "погода")] * 3, "ru", None)
    assert small.parse_now("блокируйте карту карту", "ru").intent == "block_card"
    result = small.parse_now("не блокируйте карту а карту перевыпустите", "ru")
    assert (result.ranking[0].name, result.intent) == ("block_card", "card_reissue")
    await small.close()


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_held_out_sentences_by_words_alone(engine, language) -> None:
    result = await evaluate(read_rows(TEST_DATA / f"nlu_heldout_{language}.tsv"), engine, language)
    assert result.accuracy >= 0.78, result.mistakes
    assert result.oos_recall is not None
    assert result.oos_recall >= 0.75


@pytest.mark.models
@pytest.mark.parametrize("language", ["ru", "en"])
async def test_held_out_sentences(language) -> None:
    engine = EmbeddedNlu(classifier(encoder_path()))
    result = await evaluate(read_rows(TEST_DATA / f"nlu_heldout_{language}.tsv"), engine, language)
    await engine.close()
    assert result.accuracy >= 0.88, result.mistakes
    assert result.oos_recall is not None
    assert result.oos_recall >= 0.8


@pytest.mark.models
def test_callers_on_the_phone_and_what_they_refuse() -> None:
    """The floors: topics 91 %, negated 90 %, a card blocked for at most 0.5 % of those who want something else."""
    engine = EmbeddedNlu(classifier(encoder_path()))
    found: dict[str, list[tuple[str, str]]] = {}
    for name in SETS:
        for language in LANGUAGES:
            rows = [(intent, engine.parse_now(text, language).intent) for intent, text in rows_of(name, language)]
            found.setdefault(name, []).extend(rows)
    topics = [pair for pair in found["callers"] if pair[0] not in ACTS and pair[0] != OUT_OF_SCOPE]
    assert sum(right("callers", *pair) for pair in topics) >= 0.91 * len(topics)
    assert sum(right("negated", *pair) for pair in found["negated"]) >= 0.9 * len(found["negated"])
    others = [answer for rows in found.values() for intent, answer in rows if intent != "block_card"]
    assert others.count("block_card") <= 0.005 * len(others)


def test_nothing_but_a_refusal_asks_for_nothing(engine) -> None:
    for text in ("карту блокировать не надо", "баланс мне не нужен"):
        result = engine.parse_now(text, "ru")
        assert (result.intent, result.confidence) == (OUT_OF_SCOPE, REFUSED)
        assert result.ranking
    assert engine.parse_now("карту не теряла скажите баланс", "ru").intent == "check_balance"


def test_bare_refusals_are_not_taught() -> None:
    examples = [
        Example(OUT_OF_SCOPE, "баланс не нужен"),
        Example(OUT_OF_SCOPE, "погода"),
        Example("deny", "не надо"),
    ]
    assert [one.text for one in teaching(examples, "ru")] == ["погода", "не надо"]


def test_regression_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    labels = [f"class{index % 3}" for index in range(90)]
    centres = rng.normal(size=(3, 8))
    points = (centres[[index % 3 for index in range(90)]] + rng.normal(size=(90, 8))).astype(np.float32)
    ours = SoftmaxRegression(c=2.0, tolerance=1e-6)
    columns = csr_matrix(points[:, 3:])
    rows = SparseRows(columns.indptr, columns.indices, columns.data, 5)
    ours.fit(points[:, :3].copy(), rows, labels)
    theirs = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(points, labels)
    found = ours.probabilities(points[:, :3].copy(), rows)
    assert ours.classes == tuple(theirs.classes_)
    assert np.abs(found - theirs.predict_proba(points)).max() < 5e-3


def test_features_agree_with_scikit_learn() -> None:
    texts = [text for language in ("ru", "en") for _, text in read_rows(TEST_DATA / f"nlu_heldout_{language}.tsv")]
    texts = [normalise(text) for text in texts]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"\S+", lowercase=False)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3, lowercase=False)
    theirs = hstack([words.fit_transform(texts), letters.fit_transform(texts)], format="csr")
    features = TextFeatures()
    features.fit(texts)
    rows = features.rows(texts)
    ours = csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(texts), rows.columns))
    sounds = len(features.blocks[2].vocabulary)
    assert ours.shape[1] == theirs.shape[1] + sounds
    assert abs(ours[:, : theirs.shape[1]] - theirs).max() < 1e-6
    assert sounds > 100


def test_a_word_spelt_as_it_sounds_has_the_same_sounds() -> None:
    assert list(sound_ngrams("заблокируйте")) == list(sound_ngrams("заблакируйте"))


def test_training_is_repeatable() -> None:
    examples = {
        "ru": (["карту украли", "украли карту", "какой баланс", "баланс карты"] * 2, ["a", "a", "b", "b"] * 2)
    }
    rows = []
    for _ in range(2):
        trained = TextClassifier(None)
        trained.fit(examples, copies=3)
        rows.append(trained.probabilities(["карту украли вчера"]))
    assert np.array_equal(*rows)


def test_the_same_text_is_trained_on_once_with_the_weight_of_all() -> None:
    texts, labels = ["card stolen", "balance please", "thank you"], ["a", "b", OUT_OF_SCOPE]
    taken: list[tuple[list[str], list[float]]] = []

    class Seen(TextClassifier):
        def __init__(self) -> None:
            super().__init__(None)
            self._regression.fit = lambda _, rows, names, weights: taken.append((names, weights))  # type: ignore[method-assign]

    Seen().fit({"en": (texts * 2, labels * 2)}, copies=4)
    names, weights = taken[0]
    assert len(names) < 6 * 5
    share = {name: sum(weight for own, weight in zip(names, weights, strict=True) if own == name) for name in "ab"}
    assert share == pytest.approx(dict.fromkeys("ab", 2 * (1 + NOISE_SHARE)))
    assert sum(weights) == pytest.approx(2 * (1 + NOISE_SHARE) * (2 + OUT_OF_SCOPE_WEIGHT))


async def test_engine_from_rows_is_the_same_classifier() -> None:
    rows = [
        ("weather", "is it raining"),
        ("weather", "will it rain today"),
        ("music", "play a song"),
        ("music", "play music"),
    ]
    engine = engine_from_rows(rows * 3, "en", None)
    assert (await engine.parse("play some song", "en")).intent == "music"
    assert (await engine.parse("don't cancel my music", "en")).intent == "music", "no grammar for these intents"
    await engine.close()


def test_report_figures() -> None:
    rows = [("a", "1"), ("a", "2"), ("b", "3"), ("out_of_scope", "4")]
    found = report(rows, ["a", "b", "b", "a"], total_ms=8.0)
    assert (found.n, found.accuracy, found.oos_recall, found.ms_per_parse) == (4, 0.5, 0.0, 2.0)
    assert found.per_intent["a"].precision == 0.5
    assert found.per_intent["b"].f1 == pytest.approx(2 / 3)
    assert found.macro_f1 == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert found.mistakes == (("a", "b", "2"), ("out_of_scope", "a", "4"))
    json = found.as_json()
    assert set(json) >= {"n", "accuracy", "macro_f1", "oos_recall", "per_intent", "ms_per_parse"}


def test_report_needs_rows() -> None:
    with pytest.raises(ValueError, match="at least one"):
        report([], [])


def test_rows_are_read_with_every_problem(tmp_path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("# comment\na\tодин\n\nbroken\n\tno intent\nb\tдва\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_rows(path)
    assert [problem.line for problem in caught.value.problems] == [4, 5]
    path.write_text("a\tодин\n", encoding="utf-8")
    assert read_rows(path) == (("a", "один"),)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no rows"):
        read_rows(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rows(tmp_path / "absent.tsv")
