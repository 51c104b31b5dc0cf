"""Clients with keys of their own: the SDK is let in with one, and raises its usual exceptions without."""

import openai
import pytest

import harness
from conftest import azure, v1

MESSAGES = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def guarded(world, tmp_path_factory):
    """A client who may use one deployment in the first region alone, and a region of a zone for each."""
    config = harness.configuration(world)
    for number, region in enumerate(config["regions"]):
        region["zone"] = f"z{number}"
    config["clients"] = [
        {"name": "web", "keys": ["web-key"], "zones": ["z0"], "deployments": ["gpt-4o"]}
    ]
    with harness.served(config, tmp_path_factory.mktemp("guarded")) as proxy:
        yield proxy


@pytest.mark.parametrize("dialect", [azure, v1])
def test_an_accepted_key(guarded, names, dialect):
    with dialect(guarded.url) as client:
        client = client.with_options(api_key="web-key")
        for _ in range(3):
            answer = client.chat.completions.with_raw_response.create(
                model="gpt-4o", messages=MESSAGES
            )
            assert answer.parse().choices[0].message.content
            assert answer.headers["x-nearway-region"] == names[0]


@pytest.mark.parametrize("dialect", [azure, v1])
def test_a_refused_key(guarded, dialect):
    with dialect(guarded.url) as client, pytest.raises(openai.AuthenticationError) as error:
        client.with_options(api_key="another-key").chat.completions.create(
            model="gpt-4o", messages=MESSAGES
        )
    assert error.value.code == "nearway_invalid_api_key"
    assert "another-key" not in str(error.value)


def test_a_model_that_is_not_for_the_client(guarded):
    with v1(guarded.url) as client, pytest.raises(openai.NotFoundError) as error:
        client.with_options(api_key="web-key").chat.completions.create(
            model="o3", messages=MESSAGES
        )
    assert error.value.code == "nearway_model_not_found"


def test_a_stream(guarded):
    with v1(guarded.url) as client:
        stream = client.with_options(api_key="web-key").chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True
        )
        assert any(chunk.choices and chunk.choices[0].delta.content for chunk in stream)
