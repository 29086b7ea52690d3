"""A PostgreSQL server of the tests' own: started in a folder of its own, on a loopback port and a unix socket.

PostgreSQL refuses to run as root: then it runs as `nobody`. The password is a new one each time, so that a log
with it in can be found.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from ivrbot.errors import MissingError
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.store import Store
from tests.integration.postgres.install import Programs
from tests.ports import free_port

USER = "ivrbot"
NOBODY = 65534
READY_S = 120.0


class PostgresServer:
    """One server with many databases.

    Attributes:
        port: on 127.0.0.1, wants the password; the unix socket in `folder` does not.
        password: of the user "ivrbot".
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.password = secrets.token_hex(16)
        # not below pytest's folder: that one is closed to other users, and socket names must be short
        self.folder = Path(tempfile.mkdtemp(prefix="ivrbot-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = 0

    # --- life -----------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the cluster, start it and make the migrated template of `database`."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o600)
        if self._as:
            os.chown(secret, NOBODY, NOBODY)
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8",
            "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}", "--no-sync",
        )  # fmt: skip
        self.port = free_port()
        self.start()
        self._admin("CREATE DATABASE migrated")
        asyncio.run(self._migrate())

    async def _migrate(self) -> None:
        async with Store(PostgresAddress(self.url("migrated"), self.password)):
            pass

    def start(self) -> None:
        """Start the server and wait until it takes connections; after a kill it recovers first."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "64MB",
        }
        command = [str(self._programs.folder / "postgres"), "-D", str(self.folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._programs.environment(),
                cwd=self.folder,
                start_new_session=True,
                **self._as,
            )
        deadline = time.monotonic() + READY_S
        while True:
            try:
                psycopg.connect(host=str(self.folder), port=self.port, user=USER, dbname="postgres").close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise MissingError(f"PostgreSQL did not start: {self.log()[-500:]}", "") from error
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a power cut would do."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Fast shutdown; clients are cut off."""
        self._signal(signal.SIGINT)

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if number is signal.SIGKILL:
            # each backend is a process group of its own, so the group alone is not enough
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in [process.pid, *map(int, children)]:
                os.kill(pid, signal.SIGKILL)
        else:
            process.send_signal(number)
        process.wait(60)

    def remove(self) -> None:
        """Stop and delete everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the server said."""
        return (self.folder / "server.log").read_text(errors="replace")

    # --- databases ------------------------------------------------------------------------------------

    def url(self, name: str) -> str:
        """Address of a database over TCP, without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[PostgresAddress]:
        """A new database with the newest schema (`empty`: with nothing), dropped afterwards."""
        self._databases += 1
        name = f"test{self._databases}"
        self._admin(f"CREATE DATABASE {name}" + ("" if empty else " TEMPLATE migrated"))
        yield PostgresAddress(self.url(name), self.password)
        self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def query(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query (a statement gives none), past the product."""
        with self._connect(database) as conn:
            cursor = conn.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def _admin(self, statement: str) -> None:
        self.query("postgres", statement)

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(host=str(self.folder), port=self.port, user=USER, dbname=database, autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs.folder / program), *arguments],
            env=self._programs.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        if done.returncode:
            fix = "Run the tests as an ordinary user, or where the user nobody may read the programs."
            raise MissingError(f"{program} failed: {done.stderr.strip()[-300:]}", fix)


@contextmanager
def running(programs: Programs) -> Iterator[PostgresServer]:
    """A server for as long as the context lasts."""
    server = PostgresServer(programs)
    try:
        server.create()
        yield server
    finally:
        server.remove()
