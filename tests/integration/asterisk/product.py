"""The product itself as a process: `ivrbot serve` on free ports, with a data folder of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

from tests.integration.asterisk.install import REPOSITORY
from tests.integration.asterisk.server import HOST, Site, clean_environment, free_port
from tests.integration.asterisk.wait import until

READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 120.0
AMI_SECRET = "test-secret"
TRAINED = REPOSITORY / ".cache" / "nlu"


class Product:
    """One `serve`; an asynchronous context manager that waits until calls are accepted.

    Attributes:
        data_dir: database, journals, token.
        log_path: everything that it wrote.
    """

    def __init__(
        self, data_dir: Path, models_dir: Path | None = None, *, demo: bool = True, **settings: str
    ) -> None:
        """Prepare.

        Args:
            data_dir: an empty folder.
            models_dir: where the models lie; the repository's own folder by default.
            demo: with the demonstration's plan; else with the one of the settings.
            settings: further `IVRBOT_...` variables, without the prefix ("CALL__MAX_CALLS").
        """
        self.data_dir = data_dir
        self.log_path = data_dir / "serve.log"
        self._web, self._media, self._ami = (free_port() for _ in range(3))
        self._models = models_dir or REPOSITORY / "var" / "models"
        self._settings = settings
        self._demo = demo
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Product:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def site(self, *, api_wait_s: int = 0, **operators: int) -> Site:
        """Asterisk's side: addresses, token, AMI secret; operators' SIP ports by name."""
        return Site(
            api_wait_s=api_wait_s,
            api=self.api,
            media=f"{HOST}:{self._media}",
            token=self.token,
            operators=operators,
            ami_port=self._ami,
            ami_secret=AMI_SECRET,
        )

    @property
    def api(self) -> str:
        """Its web address."""
        return f"http://{HOST}:{self._web}"

    @property
    def media_port(self) -> int:
        """Port of its AudioSocket."""
        return self._media

    @property
    def token(self) -> str:
        """What machine clients show."""
        return (self.data_dir / "api.token").read_text().strip()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run `ivrbot ...` with the same settings, as an administrator beside the server would.

        Returns:
            Exit code, standard output, standard error.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivrbot", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(),
            cwd=REPOSITORY,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_S)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return process.returncode or 0, out.decode(), err.decode()

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The supervisor."""
        assert self._process is not None
        return self._process

    @property
    def workers(self) -> list[int]:
        """Process ids of the supervisor's children."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def signal_workers(self, number: signal.Signals) -> None:
        """Send a signal to the worker, as SIGKILL or SIGSTOP."""
        for worker in self.workers:
            os.kill(worker, number)

    async def stop(self) -> None:
        """End it with SIGTERM; after a while with SIGKILL. Idempotent."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._secret.write_text(AMI_SECRET)
        self._share_training()
        with self.log_path.open("wb") as log:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ivrbot", "serve", *(["--demo"] if self._demo else [])),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=REPOSITORY,
                # A group of its own, to be killed as one; no session, for some kernels let whole sessions starve.
                process_group=0,
            )
        lines = self.log_path.read_text
        await until(lambda: "ready" in lines().splitlines() or process.returncode is not None, READY_TIMEOUT_S)
        if process.returncode is not None:
            raise RuntimeError(f"serve ended with {process.returncode}:\n{lines()[-3000:]}")

    def _share_training(self) -> None:
        """Classifiers are kept under a hash of all that they depend on: trained once, not by every process."""
        TRAINED.mkdir(parents=True, exist_ok=True)
        kept = self.data_dir / "nlu"
        if not kept.exists():
            kept.symlink_to(TRAINED, target_is_directory=True)

    @property
    def _secret(self) -> Path:
        return self.data_dir / "ami.secret"

    def _environment(self) -> dict[str, str]:
        return {
            **clean_environment(),
            "IVRBOT_DATA_DIR": str(self.data_dir),
            "IVRBOT_WEB__PORT": str(self._web),
            "IVRBOT_MEDIA__PORT": str(self._media),
            "IVRBOT_ASTERISK__AMI_HOST": HOST,
            "IVRBOT_ASTERISK__AMI_PORT": str(self._ami),
            "IVRBOT_ASTERISK__AMI_SECRET_FILE": str(self._secret),
            "IVRBOT_MODELS__DIR": str(self._models),
            # What is tested is the product, not what it leaves out and whom it sends away on a crowded machine.
            "IVRBOT_CAPACITY__EASE": "false",
            "IVRBOT_CAPACITY__ADMIT": "cap",
            **{f"IVRBOT_{name}": value for name, value in self._settings.items()},
        }
