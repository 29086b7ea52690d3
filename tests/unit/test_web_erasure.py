"""`POST /api/v1/erasure`: who may, what is answered."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ivrbot.model.people import Role
from tests.unit.web_fixture import FakeEraser, open_site

ASKED = {"number": "+79161234567", "why": "his letter"}


async def test_erased_by_a_machine_with_the_right(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        status, told = await site.post("/api/v1/erasure", json=ASKED)
        assert status == 200
        assert told == {
            "calls": 1,
            "rows": {"calls": 1},
            "backups": ["old.zip"],
            "audit_rows": 0,
            "is_file_clean": True,
        }
        ((number, _, why),) = cast(FakeEraser, site.parts.eraser).asked
        assert (number, why) == (ASKED["number"], ASKED["why"])


async def test_what_is_wrong_is_told_without_the_number(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        status, told = await site.post("/api/v1/erasure", json=ASKED | {"number": "555 01 37"})
        assert status == 400
        assert "555" not in str(told)
        assert (await site.post("/api/v1/erasure", json={"number": "+79161234567"}))[0] == 400


async def test_an_operator_may_not(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="always") as site, site.logged_in("anna", Role.OPERATOR) as anna:
        assert (await anna.post("/api/v1/erasure", json=ASKED))[0] == 403
        assert cast(FakeEraser, site.parts.eraser).asked == []
