"""Two hosts on one machine: network namespaces that are joined by a cable."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ADDRESSES = ("10.213.77.1", "10.213.77.2")


class NoHosts(Exception):
    """Namespaces cannot be made here; the text says why."""


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        raise NoHosts(f"ip {' '.join(words)}: {said}")


@contextlib.contextmanager
def two_hosts(folder: Path) -> Iterator[list[str]]:
    """Gives what is put before ``-n N command`` to run it on two hosts in turn.

    The launcher logs in to the other host as by ssh, with a script in `folder` that
    changes over to its namespace instead. Raises NoHosts where the system does not let
    us: it takes root, and the command ip.
    """
    if shutil.which("ip") is None:
        raise NoHosts("there is no command ip")
    names = [f"videolstm{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            _ip("netns", "add", name)
        ends = [f"v{os.getpid()}{letter}" for letter in "ab"]
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, ADDRESSES, strict=True):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            for device in ("lo", end):
                _ip("-n", name, "link", "set", device, "up")
        login = _write_login(folder, names)
        inside = ["ip", "netns", "exec", names[0]]
        hosts = ["-hosts", ",".join(ADDRESSES), "-localhost", ADDRESSES[0]]
        remote = ["-launcher", "ssh", "-launcher-exec", str(login)]
        yield [*inside, "MPIEXEC", *hosts, *remote]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _write_login(folder: Path, names: list[str]) -> Path:
    """A script that is called as ssh is: options, host, command."""
    login = folder / "login"
    cases = "\n".join(
        f"  {address}) name={name};;"
        for address, name in zip(ADDRESSES, names, strict=True)
    )
    login.write_text(
        "#!/bin/sh\n"
        'while [ "${1#-}" != "$1" ]; do shift; done\n'
        "host=$1; shift\n"
        f'case "$host" in\n{cases}\nesac\n'
        'exec ip netns exec "$name" sh -c "$*"\n'
    )
    login.chmod(0o755)
    return login
