"""The product's promise, measured: when another region becomes the fastest, traffic goes there
within two probe intervals, and the operator can read why."""

import time

import httpx
import pytest

import harness
from conftest import v1

INTERVAL_SECONDS = 1.0
# a probe takes as long as its region does, and this machine may be busy
SLACK_SECONDS = 1.0

BODY = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 1}


@pytest.fixture
def own_world(tmp_path):
    folder = tmp_path / "sim"
    folder.mkdir()
    with harness.simulated(folder) as world:
        for name, milliseconds in (("eastus", 40), ("westus", 120), ("westeurope", 240)):
            settle_at(world, name, milliseconds)
        yield world


@pytest.mark.parametrize(
    ("changed", "milliseconds", "expected"),
    [
        pytest.param("eastus", 400, "westus", id="the leader becomes slow"),
        pytest.param("westeurope", 10, "westeurope", id="another becomes fast"),
    ],
)
def test_traffic_follows_the_fastest_region(own_world, tmp_path, changed, milliseconds, expected):
    config = harness.configuration(
        own_world,
        probe={
            "deployments": ["gpt-4o"],
            "interval": f"{INTERVAL_SECONDS:g}s",
            "jitter": 0,
            "samples": 1,
        },
        # the window is the default: one and a half intervals
        routing={"switch": {"percent": 10, "at_least": "5ms", "hold": "0s"}},
    )
    with harness.served(config, tmp_path) as proxy, httpx.Client() as client:
        assert region_that_serves(client, proxy) == "eastus"
        before = proxy.ranking("gpt-4o")
        assert [entry["region"] for entry in before["order"]] == ["eastus", "westus", "westeurope"]

        settle_at(own_world, changed, milliseconds)
        began = time.monotonic()
        harness.eventually(
            lambda: region_that_serves(client, proxy) == expected,
            2 * INTERVAL_SECONDS + SLACK_SECONDS,
            "traffic at the region that is the fastest now",
        )
        print(f"followed after {time.monotonic() - began:.2f} s: {proxy.ranking('gpt-4o')['why']}")

        # requests leave one that does not answer before the ranking has a time to show for it
        harness.eventually(
            lambda: proxy.ranking("gpt-4o")["leader"] == expected,
            INTERVAL_SECONDS,
            "a ranking that is led by it",
        )
        after = proxy.ranking("gpt-4o")
        assert after["order"][0]["region"] == expected
        assert after["measured"] == "first_token"
        assert after["verdict"] in ("better", "best"), after["why"]
        assert after["why"]
        scores = {entry["region"]: entry["score_ms"] for entry in after["order"]}
        assert scores.pop(expected) < min(scores.values())
        # nobody was left because it failed
        assert {entry["state"] for entry in after["order"]} == {"fresh"}


def test_a_response_is_continued_where_it_is_when_another_region_leads(own_world, tmp_path):
    config = harness.configuration(
        own_world,
        probe={"deployments": ["gpt-4o"], "interval": f"{INTERVAL_SECONDS:g}s", "samples": 1},
        routing={"switch": {"percent": 10, "at_least": "5ms", "hold": "0s"}},
    )
    with harness.served(config, tmp_path) as proxy, httpx.Client() as client, v1(proxy.url) as sdk:
        first = sdk.responses.with_raw_response.create(model="gpt-4o", input="Remember 7.")
        assert first.headers["x-nearway-region"] == "eastus"
        settle_at(own_world, "eastus", 400)
        harness.eventually(
            lambda: region_that_serves(client, proxy) == "westus",
            2 * INTERVAL_SECONDS + SLACK_SECONDS,
            "traffic at the region that is the fastest now",
        )
        previous = first.parse().id
        for _ in range(2):
            more = sdk.responses.with_raw_response.create(
                model="gpt-4o", input="And now?", previous_response_id=previous
            )
            assert more.headers["x-nearway-region"] == "eastus"
            assert more.headers["x-nearway-attempts"] == "1"
            previous = more.parse().id
        assert region_that_serves(client, proxy) == "westus"


def settle_at(world, region, milliseconds):
    """A region that takes this long to its first token, every time."""
    world.change(region, base_ms=milliseconds, jitter_ms=0, network_ms=1)


def region_that_serves(client, proxy):
    url = f"{proxy.url}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    answer = client.post(url, json=BODY)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-nearway-region"]
