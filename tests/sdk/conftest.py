"""One simulated world and one proxy for all tests that only send requests."""

import signal

import openai
import pytest

import harness

API_VERSION = "2024-10-21"
# no test's client retries by itself: what the proxy answers is what is looked at
CLIENT = {"api_key": "the-client's-own", "max_retries": 0, "timeout": 30}


# test, requests that a region refused for want of the object, writes among them
ROUND_TRIPS = pytest.StashKey()


def pytest_configure(config):
    """Ended from outside, the run still ends what it has started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.stash[ROUND_TRIPS] = []


def pytest_terminal_summary(terminalreporter, config):
    """What it cost to find the objects of `test_home.py`."""
    tests = config.stash[ROUND_TRIPS]
    if not tests:
        return
    terminalreporter.section("round trips to regions that do not have the object")
    asked, writes = (sum(test[place] for test in tests) for place in (1, 2))
    for name, *cost in tests:
        if any(cost):
            terminalreporter.line(f"{cost[0]:4} ({cost[1]} writes)  {name}")
    terminalreporter.line(f"{asked:4} ({writes} writes)  in {len(tests)} scenarios")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    with harness.simulated(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def tls_world(tmp_path_factory):
    with harness.simulated(tmp_path_factory.mktemp("tls-world"), "--tls") as world:
        yield world


@pytest.fixture(scope="session")
def proxy(world, tmp_path_factory):
    with harness.served(harness.configuration(world), tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def names(world):
    return [region["name"] for region in world.regions]


def azure(url, kind=openai.AzureOpenAI, **more):
    return kind(azure_endpoint=url, api_version=API_VERSION, **CLIENT, **more)


def v1(url, kind=openai.OpenAI, **more):
    return kind(base_url=f"{url}/openai/v1", **CLIENT, **more)


def plain(url, kind=openai.OpenAI, **more):
    return kind(base_url=f"{url}/v1", **CLIENT, **more)


@pytest.fixture(params=[azure, v1, plain], ids=["azure", "v1", "plain"])
def client(request, proxy):
    with request.param(proxy.url) as client:
        yield client


@pytest.fixture(
    params=[(azure, openai.AsyncAzureOpenAI), (v1, openai.AsyncOpenAI)], ids=["azure", "v1"]
)
async def async_client(request, proxy):
    make, kind = request.param
    async with make(proxy.url, kind) as client:
        yield client
