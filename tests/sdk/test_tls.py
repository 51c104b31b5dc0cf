"""Regions behind TLS with an authority of their own, in HTTP/1.1 and HTTP/2."""

import dataclasses
import json
import subprocess

import pytest
import websockets.sync.client

import harness
from conftest import azure

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(scope="module", params=[False, True], ids=["http1", "http2"])
def secured(request, tls_world, tmp_path_factory):
    config = harness.configuration(tls_world, http2=request.param)
    with harness.served(config, tmp_path_factory.mktemp("secured")) as proxy:
        yield proxy


def test_completion_and_stream(secured):
    with azure(secured.url) as client:
        assert client.chat.completions.create(**HELLO).choices[0].message.content
        chunks = list(client.chat.completions.create(**HELLO, stream=True))
    assert len(chunks) > 3


def test_websocket(secured):
    url = secured.url.replace("http://", "ws://") + "/openai/v1/realtime?model=gpt-realtime"
    with websockets.sync.client.connect(url) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "session.created"
        event = {"type": "test.echo", "audio": "A" * 300_000}
        socket.send(json.dumps(event))
        assert json.loads(socket.recv(timeout=10)) == event


def test_probe_says_whom_it_does_not_trust(tls_world, tmp_path):
    with harness.simulated(tmp_path, "--tls") as other:
        config = harness.configuration(tls_world)
        config["regions"][0]["ca_file"] = str(other.ca_file)
        done = probe(config, tmp_path)
        doubted, trusted = (region["name"] for region in config["regions"][:2])
        assert done.returncode == 0, done.stderr
        assert f"{doubted}, gpt-4o: tls: invalid peer certificate" in done.stdout
        assert f"{trusted}, gpt-4o:" not in done.stdout

        stranger = dataclasses.replace(tls_world, ca_file=other.ca_file)
        done = probe(harness.configuration(stranger), tmp_path)
        assert done.returncode == 1
        assert "no region answered" in done.stderr


def probe(config, folder):
    file = folder / "config.yaml"
    file.write_text(json.dumps(config))
    command = [harness.BINARY, "probe", "--config", file, "--samples", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
