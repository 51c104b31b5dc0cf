"""Bodies of a gigabyte, or many at a time, pass through a proxy that stays small."""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import pathlib
import subprocess
import threading

import pytest

import harness

MIB = 2**20
GIB = 2**30
# the table of ids that are remembered (state.entries), whether any are or not
IDS = 16 * MIB
# resident at the most, from the process's start to its end
BOUND = 64 * MIB + IDS
BLOCK = bytes(range(256)) * (MIB // 256)


@pytest.fixture
def own_proxy(world, tmp_path):
    """A proxy that nobody else uses, so that its peak is this test's."""
    with small(harness.configuration(world), tmp_path) as proxy:
        yield proxy


@contextlib.contextmanager
def small(config, folder, bound=BOUND):
    """A proxy that must stay below the bound."""
    with harness.served(config, folder) as proxy:
        yield proxy
        peak = peak_resident(proxy)
        assert peak < bound, f"{peak / MIB:.0f} MiB"


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_upload(own_proxy, framing):
    assert upload(own_proxy, GIB, framing) == {"len": GIB, "sha256": digest_of(GIB)}


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_download(own_proxy, framing):
    assert download(own_proxy, GIB, framing) == (GIB, digest_of(GIB, b"x" * MIB))


def test_tls_and_http2(tls_world, tmp_path):
    length = GIB // 4
    with small(harness.configuration(tls_world, http2=True), tmp_path) as proxy:
        told = upload(proxy, length, "chunked")
        assert told == {"len": length, "sha256": digest_of(length)}
        assert download(proxy, length, "chunked") == (length, digest_of(length, b"x" * MIB))


def test_uploads_at_the_same_time(own_proxy):
    length = 64 * MIB
    with concurrent.futures.ThreadPoolExecutor() as threads:
        uploads = [threads.submit(upload, own_proxy, length, "chunked") for _ in range(4)]
        told = [each.result() for each in uploads]
    assert told == [{"len": length, "sha256": digest_of(length)}] * len(uploads)


def test_many_uploads_share_what_is_kept(world, tmp_path):
    """All are on their way at once, each as long as a body that is kept whole."""
    count, length = 100, 8 * MIB
    config = harness.configuration(world, failover={"hold_body": "8MiB", "hold_total": "32MiB"})
    all_are_here = threading.Barrier(count, timeout=60)

    def body():
        for _ in range(length // MIB - 1):
            yield BLOCK
        all_are_here.wait()
        yield BLOCK

    # what is kept, and the buffers of both sides of each connection
    with (
        small(config, tmp_path, bound=(32 + 96) * MIB) as proxy,
        concurrent.futures.ThreadPoolExecutor(count) as threads,
    ):
        uploads = [threads.submit(upload, proxy, length, body=body()) for _ in range(count)]
        told = [each.result() for each in uploads]
    assert told == [{"len": length, "sha256": digest_of(length)}] * count


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_client_of_http2(own_proxy, way):
    digest = hashlib.sha256()
    told = b""
    with over_http2(own_proxy, way) as child:
        if way == "up":
            for _ in range(GIB // len(BLOCK)):
                child.stdin.write(BLOCK)
            child.stdin.close()
            told = child.stdout.read()
        while way == "down" and (block := child.stdout.read(MIB)):
            digest.update(block)
    assert child.returncode == 0
    if way == "up":
        assert json.loads(told) == {"len": GIB, "sha256": digest_of(GIB)}
    else:
        assert digest.hexdigest() == digest_of(GIB, b"x" * MIB)


def over_http2(proxy, way):
    """A curl that sends or gets a gigabyte."""
    what = {
        "up": ["--request", "POST", "--upload-file", "-", f"{proxy.url}/sim/sink"],
        "down": [f"{proxy.url}/sim/bytes/{GIB}"],
    }
    command = ["curl", "--silent", "--fail", "--max-time", "120", "--http2-prior-knowledge"]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, *what[way]], stdin=pipe, stdout=pipe)


def upload(proxy, length, framing="content-length", body=None):
    """What the region says of a body of so many bytes."""
    headers = {"content-length": str(length)} if framing == "content-length" else {}
    with connection(proxy) as link:
        blocks = body or (BLOCK for _ in range(length // len(BLOCK)))
        link.request("POST", "/sim/sink", blocks, headers)
        answer = link.getresponse()
        assert answer.status == 200
        return json.load(answer)


def download(proxy, length, framing):
    """How many bytes came, and their digest."""
    query = "?chunked=1" if framing == "chunked" else ""
    buffer = memoryview(bytearray(MIB))
    digest = hashlib.sha256()
    came = 0
    with connection(proxy) as link:
        link.request("GET", f"/sim/bytes/{length}{query}")
        answer = link.getresponse()
        assert answer.status == 200
        assert (answer.getheader("content-length") is None) == (framing == "chunked")
        while read := answer.readinto(buffer):
            digest.update(buffer[:read])
            came += read
    return came, digest.hexdigest()


def connection(proxy):
    host = proxy.url.removeprefix("http://")
    return contextlib.closing(http.client.HTTPConnection(host, timeout=30))


def digest_of(length, block=BLOCK):
    digest = hashlib.sha256()
    for _ in range(length // len(block)):
        digest.update(block)
    return digest.hexdigest()


def peak_resident(proxy):
    """Bytes; Linux keeps the highest value that there was."""
    lines = pathlib.Path(f"/proc/{proxy.process.child.pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
