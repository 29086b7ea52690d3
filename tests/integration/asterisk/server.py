"""Runs the unpacked Asterisk with the product's own configuration of deploy/asterisk.

Takes free ports and a folder for one run; gives a booted server. Every file of deploy/asterisk is used as it is
shipped; the `.example` files get this run's addresses in the places of theirs, and a place that is no longer there
is an error, so the tests cannot drift away from what is shipped.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.integration.asterisk.install import REPOSITORY, Installation
from tests.ports import HOST, free_port

SHIPPED = REPOSITORY / "deploy" / "asterisk"
BOOT_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
CLI_TIMEOUT_S = 10.0

__all__ = ["HOST", "AsteriskServer", "Site", "clean_environment", "fill", "free_port", "write_configuration"]


@dataclass(frozen=True, slots=True)
class Site:
    """What a bank would write into its own files.

    Attributes:
        api: address of the bot's HTTP API.
        media: host:port of the bot's AudioSocket.
        token: API token.
        operators: SIP port of each operator's telephone, by name.
        language: language of Asterisk's announcements.
        max_call_s: longest stay with the bot.
        queue_s: longest stay in one queue before the announcement.
        sip_port: where Asterisk listens for SIP (UDP).
        ami_port: where Asterisk listens for AMI.
        ami_secret: secret of the account "ivrbot".
        originate: the account may place calls.
        network_port: SIP port of the telephone network behind the trunk, for calls that Asterisk places.
        dialplan: the bank's own extensions.conf; "" is the one that the product ships.
        websocket: host:port of the bot's web server, when its sound goes by chan_websocket; "" is AudioSocket.
        api_wait_s: how long the bot may take to answer what the dialplan asks or tells it; 0 is the second or two
            of the shipped dialplan, after which a caller goes to an operator: right, but not the subject
            of every test.
    """

    api: str
    media: str
    token: str = "test-token"
    operators: Mapping[str, int] = field(default_factory=dict)
    language: str = "ru"
    max_call_s: int = 1800
    queue_s: int = 120
    recordings: str = ""
    sip_port: int = field(default_factory=free_port)
    ami_port: int = field(default_factory=free_port)
    ami_secret: str = "test-secret"
    originate: bool = False
    network_port: int | None = None
    dialplan: str = ""
    websocket: str = ""
    api_wait_s: int = 0


def fill(text: str, places: Mapping[str, str]) -> str:
    """Replace each place by its value.

    Raises:
        ValueError: a place does not occur in the text.
    """
    for place, value in places.items():
        if place not in text:
            raise ValueError(f"{place!r} is no longer in the shipped file")
        text = text.replace(place, value)
    return text


def write_configuration(site: Site, etc: Path) -> None:
    """Write this run's /etc/asterisk from the files that the product ships."""
    for path in SHIPPED.glob("*.conf"):
        shutil.copy(path, etc / path.name)
    if site.dialplan:
        (etc / "extensions.conf").write_text(site.dialplan)
    if site.api_wait_s:
        shipped = (("conn", 1), ("http", 1), ("http", 2))
        places = {
            f"CURLOPT({kind}timeout)={wait_s})": f"CURLOPT({kind}timeout)={site.api_wait_s})"
            for kind, wait_s in shipped
        }
        dialplan = etc / "extensions_ivrbot.conf"
        dialplan.write_text(fill(dialplan.read_text(), places))
    _write_site(site, etc)
    _write_pjsip(site, etc)
    if site.websocket:
        client = (SHIPPED / "websocket_client.conf.example").read_text()
        (etc / "websocket_client.conf").write_text(fill(client, {"127.0.0.1:8080": site.websocket}))
    manager = fill(
        (SHIPPED / "manager.conf.example").read_text(),
        {"port = 5038": f"port = {site.ami_port}", "secret = change-me": f"secret = {site.ami_secret}"},
    )
    if site.originate:
        manager = fill(manager, {"write = call\n": "write = call,originate\n"})
    (etc / "manager.conf").write_text(manager)
    first = random.randrange(20000, 30000, 2)
    rtp = fill((SHIPPED / "rtp.conf").read_text(), {"10000": str(first), "20000": str(first + 1000)})
    (etc / "rtp.conf").write_text(rtp)
    logger = fill(
        (SHIPPED / "logger.conf").read_text(),
        {"[logfiles]": "[logfiles]\nfull.log => notice,warning,error,verbose(4)"},
    )
    (etc / "logger.conf").write_text(logger)


def _write_site(site: Site, etc: Path) -> None:
    text = fill(
        (SHIPPED / "ivrbot_site.conf.example").read_text(),
        {
            "IVRBOT_API = http://127.0.0.1:8080": f"IVRBOT_API = {site.api}",
            "IVRBOT_MEDIA = 127.0.0.1:9092": f"IVRBOT_MEDIA = {site.media}",
            "IVRBOT_WEBSOCKET =": f"IVRBOT_WEBSOCKET = {'ivrbot' if site.websocket else ''}",
            "IVRBOT_TOKEN = change-me": f"IVRBOT_TOKEN = {site.token}",
            "IVRBOT_LANGUAGE = ru": f"IVRBOT_LANGUAGE = {site.language}",
            "IVRBOT_MAX_CALL_S = 1800": f"IVRBOT_MAX_CALL_S = {site.max_call_s}",
            "IVRBOT_QUEUE_S = 120": f"IVRBOT_QUEUE_S = {site.queue_s}",
            "IVRBOT_RECORDINGS =": f"IVRBOT_RECORDINGS = {site.recordings}",
            "IVRBOT_SOUNDS = /var/lib/asterisk/sounds/ivrbot": f"IVRBOT_SOUNDS = {SHIPPED / 'sounds'}",
        },
    )
    (etc / "ivrbot_site.conf").write_text(text)


def _write_pjsip(site: Site, etc: Path) -> None:
    member = "member => PJSIP/operator1,0,operator1"
    operators = [f"member => PJSIP/{name},0,{name}" for name in site.operators]
    text = fill((SHIPPED / "ivrbot_operators.conf.example").read_text(), {member: "\n".join(operators)})
    (etc / "ivrbot_operators.conf").write_text(text)
    shipped = fill(
        (SHIPPED / "pjsip.conf.example").read_text(),
        {
            "bind = 0.0.0.0:5060": f"bind = {HOST}:{site.sip_port}",
            "contact = sip:198.51.100.10:5060": f"contact = sip:{HOST}:{site.network_port or site.sip_port}",
            "match = 198.51.100.10": f"match = {HOST}",
            # the scenarios of SIPp know calls only, not the OPTIONS of a check
            "qualify_frequency = 30": "qualify_frequency = 0",
        },
    )
    head, mark, one = shipped.partition("[operator1](operator)")
    phones = [
        fill(mark + one, {"operator1@192.0.2.21:5060": f"{name}@{HOST}:{port}", "operator1": name})
        if name != "operator1"
        else fill(mark + one, {"192.0.2.21:5060": f"{HOST}:{port}"})
        for name, port in site.operators.items()
    ]
    (etc / "pjsip.conf").write_text("\n".join([head, *phones]))


class AsteriskServer:
    """One Asterisk process; an asynchronous context manager.

    Attributes:
        site: the addresses of this run.
        run_dir: its folder; etc/, log/ and the rest are below.
    """

    def __init__(self, installation: Installation, site: Site, keep_in: Path | None = None) -> None:
        """Prepare.

        Args:
            installation: the unpacked root.
            site: addresses of this run.
            keep_in: folder that gets the logs when the server stops.
        """
        self._installation = installation
        self.site = site
        self._keep_in = keep_in
        # the control socket's path must stay below 108 bytes, so not pytest's deep temporary folders
        self.run_dir = Path(tempfile.mkdtemp(prefix="ast-"))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log_dir(self) -> Path:
        """Folder of full.log, messages.log, queue_log and console.log."""
        return self.run_dir / "log"

    async def __aenter__(self) -> AsteriskServer:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Write the configuration, boot, wait until calls are accepted.

        Raises:
            RuntimeError: it did not boot; carries the end of its log.
        """
        etc = self.run_dir / "etc"
        for name in ("etc", "log", "run", "spool", "db", "keys", "cache"):
            (self.run_dir / name).mkdir()
        write_configuration(self.site, etc)
        self._write_directories(etc)
        with (self.log_dir / "console.log").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self._command("-f", "-n"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=clean_environment(),
            )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BOOT_TIMEOUT_S
        while "fully booted" not in await self.cli("core waitfullybooted"):
            if self._process.returncode is not None or loop.time() > deadline:
                raise RuntimeError(f"Asterisk did not boot:\n{self.log_tail()}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the process, keep the logs if asked to, remove the folder. Idempotent."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._keep_in is not None and self.log_dir.exists():
            shutil.copytree(self.log_dir, self._keep_in, dirs_exist_ok=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    async def cli(self, command: str) -> str:
        """Output of a console command; "" when the console does not answer."""
        if not (self.run_dir / "run" / "asterisk.ctl").exists():
            return ""
        console = await asyncio.create_subprocess_exec(
            *self._command("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(console.communicate(), CLI_TIMEOUT_S)
        except TimeoutError:
            console.kill()
            await console.wait()
            return ""
        return output.decode(errors="replace")

    async def channels(self) -> int:
        """Number of channels that are up; -1 when the console does not answer."""
        lines = (await self.cli("core show channels count")).splitlines()
        return next((int(line.split()[0]) for line in lines if "active channel" in line), -1)

    def queue_log(self) -> list[list[str]]:
        """Rows of queue_log, split at the bars: time, uniqueid, queue, agent, event, data..."""
        path = self.log_dir / "queue_log"
        return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []

    def log_tail(self, lines: int = 60) -> str:
        """End of the console and of the log."""
        parts = []
        for name in ("console.log", "full.log"):
            path = self.log_dir / name
            if path.exists():
                parts += [f"--- {name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)

    def _command(self, *arguments: str) -> list[str]:
        conf = str(self.run_dir / "etc" / "asterisk.conf")
        return [*self._installation.command("usr/sbin/asterisk"), "-C", conf, *arguments]

    def _write_directories(self, etc: Path) -> None:
        root, run = self._installation.root, self.run_dir
        directories = {
            "astetcdir": etc,
            "astmoddir": self._installation.libraries / "asterisk" / "modules",
            "astvarlibdir": root / "usr/share/asterisk",
            "astdatadir": root / "usr/share/asterisk",
            "astagidir": root / "usr/share/asterisk/agi-bin",
            "astsbindir": root / "usr/sbin",
            "astcachedir": run / "cache",
            "astdbdir": run / "db",
            "astkeydir": run / "keys",
            "astspooldir": run / "spool",
            "astrundir": run / "run",
            "astlogdir": run / "log",
        }
        lines = ["[directories]", *(f"{name} => {path}" for name, path in directories.items())]
        (etc / "asterisk.conf").write_text("\n".join([*lines, "[options]", "hideconnect = yes", ""]))


def clean_environment() -> dict[str, str]:
    """The environment without proxies: everything here is on this machine."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
