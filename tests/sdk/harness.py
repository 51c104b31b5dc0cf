"""Starts the product's own processes for the tests: a simulated world, a proxy in front of it.

Every port is chosen by the system and read from what the process announces; every wait has a
deadline; and nothing is ended but what was started here.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("NEARWAY", ROOT / "target" / "debug" / "nearway"))

START_SECONDS = 30.0
STOP_SECONDS = 20.0


def eventually(ask, seconds, what, pause=0.05):
    """The first true answer of `ask`; fails, naming `what`, when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)


class Process:
    """One running program with its output in files, shown when something goes wrong."""

    def __init__(self, arguments, folder, name):
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.child = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
            )

    def wait_for(self, ask, what):
        """As `eventually`, but fails at once when the program has ended."""

        def alive_and():
            answer = ask()
            assert answer or self.child.poll() is None, (
                f"{self.name} ended with {self.child.returncode}:\n{self.err.read_text()}"
            )
            return answer

        return eventually(alive_and, START_SECONDS, f"{self.name}: {what}\n{self.err.read_text()}")

    def stop(self):
        """SIGTERM, as a service manager does it; the exit code."""
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} outlived its SIGTERM:\n{self.err.read_text()}")


@dataclass(frozen=True)
class World:
    """Simulated regions, as `nearway sim --json` announces them."""

    regions: list
    control: str
    # with TLS: the authority to trust
    ca_pem: str | None = None
    ca_file: pathlib.Path | None = None

    def change(self, region, **fields):
        """Changes how a region behaves from now on."""
        answer = httpx.patch(f"{self.control}/regions/{region}", json=fields)
        assert answer.is_success, answer.text


@dataclass(frozen=True)
class Proxy:
    """A running `nearway serve`: the client's address and the operator's."""

    url: str
    admin: str
    process: Process

    def ranking(self, deployment):
        """The entry of `/api/regions` for one deployment."""
        rankings = httpx.get(f"{self.admin}/api/regions").json()["deployments"]
        return next(ranking for ranking in rankings if ranking["deployment"] == deployment)


def configuration(world, http2=False, **sections):
    """A configuration for all regions of `world`, with quick probes; JSON is YAML too."""
    trust = {"ca_file": str(world.ca_file), "http2": http2} if world.ca_file else {}
    return {
        "listen": {"address": "127.0.0.1:0"},
        "admin": {"address": "127.0.0.1:0"},
        "workers": 2,
        "regions": [
            {"name": region["name"], "url": region["url"], "api_key": region["key"], **trust}
            for region in world.regions
        ],
        "probe": {"deployments": ["gpt-4o"], "interval": "1s"},
        **sections,
    }


@contextlib.contextmanager
def simulated(folder, *flags):
    """Three regions with the simulator's own latencies."""
    process = Process([BINARY, "sim", "--json", *flags], folder, "sim")
    try:
        line = process.wait_for(lambda: first_line(process.out), "the line with its regions")
        world = World(**json.loads(line))
        if world.ca_pem:
            world = dataclasses.replace(world, ca_file=folder / "ca.pem")
            world.ca_file.write_text(world.ca_pem)
        yield world
    finally:
        code = process.stop()
    assert code == 0, process.err.read_text()


@contextlib.contextmanager
def served(config, folder, ready=True):
    """A proxy with this configuration, once `/readyz` says so."""
    file = folder / "config.yaml"
    file.write_text(json.dumps(config))
    announced = folder / "announced.json"
    process = Process([BINARY, "serve", "--config", file, "--announce", announced], folder, "serve")
    try:
        line = process.wait_for(lambda: first_line(announced), "its addresses")
        addresses = json.loads(line)
        proxy = Proxy(f"http://{addresses['listen']}", f"http://{addresses['admin']}", process)
        if ready:
            process.wait_for(
                lambda: httpx.get(f"{proxy.admin}/readyz").status_code == 200, "readiness"
            )
        yield proxy
    finally:
        code = process.stop()
    assert code == 0, process.err.read_text()


def first_line(file):
    """The first line of `file` if it is there and whole."""
    if not file.exists():
        return None
    line, end, _ = file.read_text().partition("\n")
    # the announcement is written in one piece, so a file without a newline is whole as well
    return line if end or line.endswith("}") else None


class Lines:
    """The lines of a stream with the moment at which each arrived, read by a thread."""

    def __init__(self, stream):
        self.seen = []
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            self.seen.append((time.monotonic(), line.rstrip("\r\n")))
