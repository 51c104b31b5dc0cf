"""What people type into a shell."""

import json
import subprocess
import time

import pytest

from harness import Lines

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}
JSON = ("--header", "content-type: application/json")


@pytest.fixture
def chat_url(proxy):
    return f"{proxy.url}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def curl(*arguments, data=None):
    """Standard output and standard error of one curl that must succeed."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "30", *arguments],
        input=data,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout, done.stderr


def test_post(chat_url, names):
    out, err = curl("--verbose", *JSON, "--data", json.dumps(BODY), chat_url)
    assert json.loads(out)["choices"][0]["message"]["content"]
    region = next(
        line.split(": ", 1)[1]
        for line in err.splitlines()
        if line.lower().startswith("< x-nearway-region")
    )
    assert region.strip() in names


def test_events_arrive_as_they_are_sent(chat_url):
    command = ["curl", "--silent", "--no-buffer", "--max-time", "30", *JSON]
    body = json.dumps({**BODY, "stream": True})
    with subprocess.Popen(
        [*command, "--data", body, chat_url], stdout=subprocess.PIPE, text=True
    ) as child:
        lines = Lines(child.stdout)
        lines.thread.join(30)
        ended = time.monotonic()
    events = [(at, line) for at, line in lines.seen if line.startswith("data: ")]
    assert child.returncode == 0
    assert events[-1][1] == "data: [DONE]"
    assert len(events) > 3
    # the first event is here well before the last one
    assert events[0][0] < events[-1][0] <= ended


def test_expect_100_continue(chat_url, tmp_path):
    big = {**BODY, "messages": [{"role": "user", "content": "x" * 2_000_000}]}
    file = tmp_path / "body.json"
    file.write_text(json.dumps(big))
    out, err = curl(
        "--verbose", *JSON, "--header", "Expect: 100-continue", "--data-binary", f"@{file}", chat_url
    )
    assert "< HTTP/1.1 100 Continue" in err
    assert json.loads(out)["choices"]


def test_http2_prior_knowledge(chat_url):
    out, _ = curl(
        "--http2-prior-knowledge",
        *JSON,
        *("--data", json.dumps(BODY)),
        *("--write-out", "\n%{http_version}"),
        chat_url,
    )
    body, version = out.rsplit("\n", 1)
    assert version == "2"
    assert json.loads(body)["choices"]


def test_upload_of_unknown_length(chat_url):
    out, _ = curl(
        *JSON,
        *("--header", "Transfer-Encoding: chunked"),
        *("--data-binary", "@-"),
        chat_url,
        data=json.dumps(BODY),
    )
    assert json.loads(out)["choices"]
