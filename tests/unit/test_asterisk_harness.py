"""The tools of the integration tests: a tool that is wrong would make those tests lie."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from ivrbot.errors import MissingError
from tests.integration.asterisk import g711
from tests.integration.asterisk.install import Archive, _machine_archive
from tests.integration.asterisk.rtp import Heard, Packet
from tests.integration.asterisk.server import Site, fill, write_configuration
from tests.integration.asterisk.sip import parse_trace

DEB822 = """Types: deb
# a comment: with a colon
URIs: https://mirror.invalid/debian-security
Suites: trixie-security
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: https://mirror.invalid/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
"""
ONE_LINE = """# deb http://commented.invalid/debian trixie main
deb http://other.invalid/apt stable main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian trixie main
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("debian.sources", DEB822, Archive("https://mirror.invalid/debian/", "/usr/share/keyrings/debian.gpg")),
        ("debian.list", ONE_LINE, Archive("http://mirror.invalid/debian", "/k.gpg")),
    ],
)
def test_the_archive_is_the_machines_own(tmp_path: Path, name: str, text: str, expected: Archive) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert _machine_archive(tmp_path) == expected


def test_a_machine_without_a_debian_archive_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="add a Debian mirror"):
        _machine_archive(tmp_path)


def test_a_place_that_left_the_shipped_file_is_an_error() -> None:
    assert fill("port = 1", {"port = 1": "port = 2"}) == "port = 2"
    with pytest.raises(ValueError, match="no longer"):
        fill("port = 3", {"port = 1": "port = 2"})


def test_the_configuration_of_a_run_has_its_own_addresses_only(tmp_path: Path) -> None:
    site = Site("http://127.0.0.1:1", "127.0.0.1:2", operators={"anna": 5, "boris": 6}, sip_port=3, ami_port=4)
    write_configuration(site, tmp_path)
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    everything = "\n".join(line for line in lines if not line.lstrip().startswith(";"))
    for wanted in ("127.0.0.1:3", "port = 4", "IVRBOT_MEDIA = 127.0.0.1:2", "sip:anna@127.0.0.1:5", "[boris]"):
        assert wanted in everything
    for unwanted in ("192.0.2.", "198.51.100.", ":8080", ":9092", "5038", "change-me", "operator1"):
        assert unwanted not in everything


@pytest.mark.parametrize("stamp", ["2026-11-22T03:22:42.854697Z", "2026-11-22\t03:22:42.854697"])
def test_a_trace_gives_messages_with_direction_headers_and_body(stamp: str) -> None:
    rule = "-" * 47
    text = (
        f"{rule} {stamp}\nUDP message sent [9] bytes:\n\nINVITE sip:1@2 SIP/2.0\r\nX-Bot-Topic: a: b\r\n\r\n"
        "v=0\r\n\n"
        f"{rule} {stamp}\nUDP message received [9] bytes :\n\nSIP/2.0 200 OK\r\nCall-ID: 7\r\n\r\n"
    )
    invite, answer = parse_trace(text)
    assert (invite.method, invite.status, invite.received) == ("INVITE", 0, False)
    assert invite.headers["x-bot-topic"] == "a: b"
    assert invite.body.startswith("v=0")
    assert (answer.method, answer.status, answer.received) == ("", 200, True)


def test_a_law_is_that_of_the_recommendation() -> None:
    # G.711 table 1a: the smallest and the largest positive values, and silence as it is sent
    assert struct.unpack("<3h", g711.decode(bytes([0xD5, 0xAA, 0x2A]))) == (8, 32256, -32256)
    everything = bytes(range(256))
    assert g711.encode(g711.decode(everything)) == everything


def test_a_tone_survives_a_law() -> None:
    tone = [int(20000 * math.sin(n / 3)) for n in range(800)]
    back = struct.unpack("<800h", g711.decode(g711.encode(struct.pack("<800h", *tone))))
    noise = sum((a - b) ** 2 for a, b in zip(tone, back, strict=True)) / sum(a**2 for a in tone)
    assert 10 * math.log10(1 / noise) > 35


def test_the_timeline_keeps_gaps_and_does_not_lay_bursts_over_each_other() -> None:
    def packet(at_s: float, value: int) -> Packet:
        return Packet(at_s, 0, 0, struct.pack("<160h", *[value] * 160), value)

    heard = Heard([packet(10.0, 1), packet(10.0, 2), packet(10.1, 3)])
    sound = struct.unpack("<1600h", heard.timeline(10.0, 10.2))
    assert sound[:160] == (1,) * 160
    assert sound[160:320] == (2,) * 160
    assert sound[320:800] == (0,) * 480
    assert sound[800:960] == (3,) * 160
    assert sound[960:] == (0,) * 640


def test_voice_is_told_from_line_noise() -> None:
    def packet(at_s: float, value: int) -> Packet:
        return Packet(at_s, 0, 0, struct.pack("<160h", *[value] * 160), value)

    heard = Heard([packet(1.0, 5000), packet(2.0, 8), packet(2.1, 3000), packet(2.5, 3000), packet(2.52, 8)])
    assert heard.voice(1.5) == (2.1, 2.52)
    assert heard.voice(2.52) is None
