"""Fetch RHVoice and its Russian and English voices from the machine's distribution; unpack, do not install.

    python tools/rhvoice_unpack.py [--into FOLDER]

Takes the mirror and suite from the machine's apt sources, adds the component that holds RHVoice (Debian:
non-free), works with an apt state of its own (nothing on the system changes, no root needed) and leaves an
unpacked root in `.cache/rhvoice/root`. Needs apt and dpkg-deb. 141 MB of download, 270 MB of disk; done once.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "rhvoice"
WANTED = ("librhvoice5", "rhvoice-russian", "rhvoice-english")
# libraries that are small and not on every machine; libc and libstdc++ come from the machine itself
DEPENDENCY = re.compile(r"^\s*(?:Pre)?Depends: (librhvoice\S*|libsonic\S*)$", re.MULTILINE)
COMPONENTS = {"debian": "main contrib non-free", "ubuntu": "main universe multiverse"}
APT_FOLDER = Path("/etc/apt")


class UnpackError(Exception):
    """Something outside is missing; the message says what."""


def os_release() -> dict[str, str]:
    """ID, ID_LIKE and VERSION_CODENAME of this machine."""
    lines = Path("/etc/os-release").read_text("utf-8").splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def mirrors() -> list[tuple[str, str]]:
    """Every (address, options) that the machine's apt sources name, in their order; both formats of sources."""
    found: list[tuple[str, str]] = []
    for file in [APT_FOLDER / "sources.list", *sorted((APT_FOLDER / "sources.list.d").glob("*"))]:
        text = file.read_text("utf-8") if file.is_file() else ""
        if file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                key = re.search(r"^Signed-By:\s*(/\S+)", stanza, re.MULTILINE)
                options = f"[signed-by={key[1]}]" if key else ""
                for line in re.findall(r"^URIs:\s*(.+)$", stanza, re.MULTILINE):
                    found += [(address, options) for address in line.split()]
        elif file.suffix == ".list":
            for options, address in re.findall(r"^deb\s+(\[[^\]]*\])?\s*(\S+)", text, re.MULTILINE):
                found.append((address, options))
    return found


def sources_line() -> str:
    """One line of sources.list: the machine's main mirror and suite, with the component that holds RHVoice."""
    system = os_release()
    name = next((n for n in COMPONENTS if n in (system.get("ID", ""), *system.get("ID_LIKE", "").split())), None)
    if name is None or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnpackError("needs a Debian or Ubuntu machine with apt-get and dpkg-deb")
    for address, options in mirrors():
        if urlsplit(address).path.rstrip("/") == f"/{name}":
            return f"deb {options} {address} {system['VERSION_CODENAME']} {COMPONENTS[name]}\n"
    raise UnpackError(f"no {name} mirror in {APT_FOLDER}")


class PrivateApt:
    """apt with lists, cache and status of its own."""

    def __init__(self, folder: Path) -> None:
        for part in ("lists/partial", "archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(sources_line(), "utf-8")
        settings = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::archives": folder / "archives",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        """Run apt-get or apt-cache; gives its standard output."""
        done = subprocess.run(
            [program, *self._options, "-q", *words], cwd=cwd, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UnpackError(f"{program} {' '.join(words)} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


def packages(apt: PrivateApt) -> list[str]:
    """The wanted packages and the libraries of RHVoice that they need."""
    todo, found = list(WANTED), []
    while todo:
        name = todo.pop()
        if name not in found:
            found.append(name)
            todo += DEPENDENCY.findall(apt.run("apt-cache", "depends", name))
    return sorted(found)


def unpack(folder: Path) -> Path:
    """Fetch and unpack into `folder/root`, unless it is there already.

    Returns:
        The unpacked root, as `ivrbot.tts.rhvoice_library.find_installation` takes it.

    Raises:
        UnpackError: no apt, no mirror, or a failed download.
    """
    folder = folder.resolve()
    root, finished = folder / "root", folder / "finished"
    if finished.is_file():
        return root
    apt = PrivateApt(folder / "apt")
    apt.run("apt-get", "update")
    archives = folder / "apt" / "archives"
    apt.run("apt-get", "download", *packages(apt), cwd=archives)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    names = []
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
        names.append(package.stem)
    shutil.rmtree(folder / "apt")
    finished.write_text("\n".join(names) + "\n", "utf-8")
    return root


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Unpack RHVoice without installing it.")
    parser.add_argument("--into", type=Path, default=DEFAULT_FOLDER, help="folder (default: %(default)s)")
    try:
        sys.stdout.write(f"RHVoice is in {unpack(parser.parse_args().into)}\n")
    except UnpackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
