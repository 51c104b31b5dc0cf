"""A real Prometheus scrapes the admin listener and knows who leads."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import httpx
import pytest

from harness import Process, eventually

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")


def test_promtool_has_no_complaint(proxy):
    """Not only does it parse: names, units and help texts follow Prometheus' conventions."""
    promtool = pathlib.Path(PROMETHEUS).with_name("promtool")
    text = httpx.get(f"{proxy.admin}/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_leader_can_be_asked_for(proxy, prometheus, names):
    def leaders():
        found = query(prometheus, 'nearway_route_leader{deployment="gpt-4o"} == 1')
        return len(found) == 1 and found

    (leader,) = eventually(leaders, 30, "one leader in Prometheus", pause=0.5)
    assert leader["metric"]["region"] in names
    assert leader["metric"]["region"] == proxy.ranking("gpt-4o")["order"][0]["region"]


def test_probes_are_counted(prometheus, names):
    def probed():
        found = query(prometheus, 'nearway_probes_total{outcome="ok"} > 0')
        return {series["metric"]["region"] for series in found} == set(names)

    assert eventually(probed, 30, "each region's probes in Prometheus", pause=0.5)


@pytest.fixture(scope="module")
def prometheus(proxy, tmp_path_factory):
    assert PROMETHEUS, "no prometheus on this machine: run `make sdk`, which fetches one"
    folder = tmp_path_factory.mktemp("prometheus")
    target = proxy.admin.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "nearway", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    process = Process(
        [
            PROMETHEUS,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ],
        folder,
        "prometheus",
    )
    try:
        process.wait_for(lambda: answers(f"http://{address}/-/ready"), "readiness")
        yield f"http://{address}"
    finally:
        process.stop()


def query(prometheus, text):
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": text})
    answer.raise_for_status()
    return answer.json()["data"]["result"]


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def free_port():
    """A port that was free a moment ago: Prometheus cannot choose one and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
