"""The page about voices: who may, what is shown, and that nothing of a voice is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.people import Role
from ivrbot.model.voiceprint import VoiceDoubt, VoiceVerdict
from ivrbot.storage.sealing import MasterKey
from ivrbot.storage.voiceprints import VoiceprintBook
from ivrbot.voiceprint import calibration
from ivrbot.web.texts import LABELS
from ivrbot.web.voiceprint import by_verdict
from tests.contract.voiceprints import ANNA, template
from tests.unit.web_fixture import AT, Site, open_site

MASTER = MasterKey(bytes(range(32)))
PATH = "/api/v1/voiceprint/erasure"


async def enrol(site: Site, *customers: str) -> VoiceprintBook:
    book = VoiceprintBook(site.parts.store, MASTER)
    for customer_id in customers:
        await book.record_consent(customer_id, True, AT)
        await book.save(template(customer_id))
    return book


def test_every_verdict_and_doubt_has_a_name() -> None:
    assert set(LABELS["voice_verdicts"]) == {verdict.value for verdict in VoiceVerdict}
    assert set(LABELS["voice_doubts"]) == {doubt.value for doubt in VoiceDoubt}


def test_verdicts_are_added_up_and_none_is_missing() -> None:
    compared = {("indeterminate", "keyed"): 2, ("indeterminate", "too_noisy"): 1, ("accept", ""): 4}
    assert by_verdict(compared) == {"accept": 4, "step_up": 0, "flag": 0, "indeterminate": 3}


async def test_the_page_tells_how_it_stands(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await enrol(site, ANNA, "c2")
        data: dict[str, JsonValue] = {"verdict": "flag", "doubt": "", "score": 0.1, "model": "a" * 12}
        event = CallEvent(CallId("call"), 0, EventType.VOICE_COMPARED, 0, datetime.now(UTC), data)
        await site.parts.store.append([event])
        for language, words in (
            ("en", ("92\u00a0%", "572-FZ", "have agreed", "voice: to the fraud desk")),
            ("ru", ("92\u00a0%", "572-ФЗ", "согласились", "чужой голос: в отдел мошенничества")),
        ):
            async with site.page.get(f"{site.url}/voiceprint?lang={language}") as response:
                text = await response.text()
            assert response.status == 200
            assert [word for word in words if word not in text] == []
            assert "a" * 12 in text
            assert ANNA not in text


async def test_error_rates_are_shown_with_their_intervals_and_whose_they_are(tmp_path: Path) -> None:
    share = calibration.Share(count=3, of=1000, value=0.003, low=0.001, high=0.0088)
    at = calibration.AtThreshold(threshold=0.84, far=share, frr=share)
    document = calibration.Calibration(
        measured_at=AT,
        model="b" * 64,
        recordings=calibration.RecordingSet(
            label="our <own> calls",
            synthetic=True,
            speakers=40,
            calls=120,
            lone_calls=0,
            enrol_ms=20_000,
            enrol_calls=3,
            test_ms=5_000,
            calls_too_short=0,
            speakers_too_few_calls=0,
            sounds_unusable=0,
        ),
        equal_error=calibration.EqualError(value=0.012, low=0.008, high=0.02, threshold=0.7),
        accept=at,
        flag=at,
        suggested=(calibration.Suggested(wanted_far=0.0001, at=None),),
        curve=((0.0, 1.0, 0.0),),
    )
    async with open_site(tmp_path) as site:
        path = tmp_path / "voiceprint" / "calibration.json"
        calibration.save(document, path)
        async with site.page.get(f"{site.url}/voiceprint?lang=en") as response:
            text = await response.text()
        assert "our &lt;own&gt; calls" in text
        for shown in (
            "1.2\u00a0%",
            "0.8\u00a0%",
            "0.88\u00a0%",
            "too few recordings",
            "another model",
            "machine-made",
        ):
            assert shown in text, shown
        path.write_text("{}")  # damaged: as if it had not been measured
        async with site.page.get(f"{site.url}/voiceprint?lang=en") as response:
            assert "Not measured yet" in await response.text()


async def test_analysts_see_it_and_only_who_may_erase_has_the_form(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="always") as site:
        async with site.logged_in("operator", Role.OPERATOR) as operator:
            assert (await operator.get("/voiceprint"))[0] == 403
        async with site.logged_in("analyst", Role.ANALYST) as analyst:
            status, text = await analyst.get("/voiceprint")
            assert status == 200
            assert "/voiceprint/erase" not in text
            form = {"customer_id": ANNA, "why": "his letter", "csrf": analyst.csrf}
            assert (await analyst.post("/voiceprint/erase", data=form))[0] == 403
            assert (await analyst.post(PATH, json={"customer_id": ANNA, "why": "his letter"}))[0] == 403
        async with site.logged_in("admin", Role.ADMIN) as admin:
            assert 'action="/voiceprint/erase"' in (await admin.get("/voiceprint"))[1]


async def test_erased_by_the_form_and_noted_without_the_customer(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="always") as site, site.logged_in("admin", Role.ADMIN) as admin:
        book = await enrol(site, ANNA)
        form = {"customer_id": f" {ANNA} ", "why": "his letter of 2 March", "csrf": admin.csrf}
        assert (await admin.post("/voiceprint/erase", data=form))[0] == 303
        assert await book.template(ANNA) is None
        assert await book.consent(ANNA) is False
        (noted,) = await site.parts.activity.read(kind="voiceprint")
        assert (noted.who, noted.action, noted.ref) == ("admin", "erase", f"ref-{len(ANNA)}")
        assert noted.detail == {"why": "his letter of 2 March", "had": True, "forget": False}
        assert (await admin.post("/voiceprint/erase", data=form | {"why": ""}))[0] == 303
        assert len(await site.parts.activity.read(kind="voiceprint")) == 1


async def test_erased_by_a_machine(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        book = await enrol(site, ANNA)
        asked = {"customer_id": ANNA, "why": "letter 12"}
        assert await site.post(PATH, json=asked | {"forget": True}) == (200, {"erased": True})
        assert await book.consent(ANNA) is None
        assert await site.post(PATH, json=asked) == (200, {"erased": False})
        assert await book.consent(ANNA) is False
        status, told = await site.post(PATH, json={"customer_id": ANNA})
        assert status == 400
        assert ANNA not in str(told)


async def test_a_page_server_without_voices_says_so(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        object.__setattr__(site.parts, "voiceprint", None)
        assert (await site.get("/voiceprint"))[0] == 503
