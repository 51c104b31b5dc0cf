"""What went wrong reaches the SDK as the exception that it would raise without a proxy; and the
headers say who answered."""

import openai
import pytest

import harness
from conftest import azure, v1

MESSAGES = [{"role": "user", "content": "Say hello."}]


def test_raw_response(client, names):
    answer = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
    assert answer.headers["x-nearway-region"] in names
    assert answer.headers["x-nearway-attempts"] == "1"
    assert answer.headers["x-ms-region"]
    assert answer.parse().choices[0].message.content


def test_pin(client, names):
    for name in names:
        answer = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=MESSAGES, extra_headers={"x-nearway-region": name}
        )
        assert answer.headers["x-nearway-region"] == name


def test_pin_to_nowhere(client):
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, extra_headers={"x-nearway-region": "atlantis"}
        )
    assert error.value.code.startswith("nearway_")


def test_unknown_deployment(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="no-such-deployment", messages=MESSAGES)
    assert error.value.code == "DeploymentNotFound"


def test_the_regions_key_replaces_the_clients(proxy):
    with v1(proxy.url) as client:
        answer = client.with_options(api_key="not a key of any region").models.list()
    assert answer.data


def test_bad_request(client):
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", body={"model": "gpt-4o"}, cast_to=object)


@pytest.fixture(scope="module")
def keyless(world, tmp_path_factory):
    """One region that has no key of its own: the client's passes through."""
    region = world.regions[0]
    config = harness.configuration(
        world,
        regions=[{"name": region["name"], "url": region["url"]}],
        probe={"deployments": [], "interval": "1s"},
    )
    with harness.served(config, tmp_path_factory.mktemp("keyless")) as proxy:
        yield proxy


@pytest.mark.parametrize("make", [azure, v1], ids=["azure", "v1"])
def test_the_clients_key_passes_through(make, keyless, world):
    with make(keyless.url) as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        right = client.with_options(api_key=world.regions[0]["key"])
        assert right.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices
