"""Realtime: WebSocket tunnels, by a plain client and by the SDK."""

import asyncio
import json

import openai
import pytest
import websockets
import websockets.sync.client

from conftest import azure, v1

# the simulator sends back what it does not know
EVENT = {"type": "test.echo", "audio": "A" * 300_000}


def socket_url(proxy, path):
    return proxy.url.replace("http://", "ws://") + path


@pytest.mark.parametrize(
    "path",
    [
        "/openai/v1/realtime?model=gpt-realtime",
        "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime",
        "/v1/realtime?model=gpt-realtime",
    ],
)
def test_echo(proxy, names, path):
    with websockets.sync.client.connect(socket_url(proxy, path)) as socket:
        assert socket.response.headers["x-nearway-region"] in names
        assert json.loads(socket.recv(timeout=10))["type"] == "session.created"
        socket.send(json.dumps(EVENT))
        assert json.loads(socket.recv(timeout=10)) == EVENT
        assert socket.ping().wait(10), "no pong"


def test_close_reaches_the_client(proxy):
    url = socket_url(proxy, "/openai/v1/realtime?model=gpt-realtime")
    with websockets.sync.client.connect(url) as socket:
        socket.close(1000, "done")
        assert socket.close_code == 1000


def test_a_refused_handshake_keeps_its_body(proxy):
    url = socket_url(proxy, "/openai/v1/realtime?model=no-such-deployment")
    with pytest.raises(websockets.exceptions.InvalidStatus) as error:
        websockets.sync.client.connect(url)
    assert error.value.response.status_code == 404
    assert json.loads(error.value.response.body)["error"]["code"] == "DeploymentNotFound"


async def test_sdk_azure(proxy):
    sockets = socket_url(proxy, "/openai")
    async with azure(proxy.url, openai.AsyncAzureOpenAI, websocket_base_url=sockets) as client:
        await converse(client)


async def test_sdk_openai(proxy):
    async with v1(proxy.url, openai.AsyncOpenAI) as client:
        await converse(client)


async def converse(client):
    text, kinds = "", []
    async with asyncio.timeout(20), client.realtime.connect(model="gpt-realtime") as connection:
        message = {"type": "input_text", "text": "Say hello."}
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [message]}
        )
        await connection.response.create()
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.done":
                break
    assert kinds[0] == "session.created"
    assert kinds.count("response.output_text.delta") > 1
    assert text.startswith("Hello from ")
