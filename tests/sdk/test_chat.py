"""Chat completions and embeddings with the Python SDK, each way that people configure it."""

import time

from conftest import azure

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    },
}


def test_chat(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0


def test_stream(client):
    arrivals, text, finish = [], "", None
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    for chunk in stream:
        # Azure's first chunk carries the prompt filter's results and no choice
        if chunk.choices:
            finish = chunk.choices[0].finish_reason or finish
            if chunk.choices[0].delta.content:
                arrivals.append(time.monotonic())
                text += chunk.choices[0].delta.content
    assert text.startswith("Hello from ") and finish == "stop"
    assert len(arrivals) > 1 and arrivals[-1] > arrivals[0]


def test_tools(client):
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    assert answer.choices[0].finish_reason in ("tool_calls", "stop")
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"


def test_reasoning_model(client):
    answer = client.chat.completions.create(
        model="o4-mini", messages=MESSAGES, max_completion_tokens=200
    )
    assert answer.choices[0].message.content


def test_embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [item.index for item in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 1


def test_azure_deployment_of_the_client(proxy):
    with azure(proxy.url, azure_deployment="gpt-4o-mini") as client:
        answer = client.chat.completions.create(model="whatever", messages=MESSAGES)
    assert answer.choices[0].message.content


async def test_chat_async(async_client):
    answer = await async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert answer.choices[0].message.content


async def test_stream_async(async_client):
    stream = await async_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    text, usage = "", None
    async for chunk in stream:
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    assert text.startswith("Hello from ")
    assert usage is not None and usage.completion_tokens > 0


async def test_embeddings_async(async_client):
    answer = await async_client.embeddings.create(model="text-embedding-3-small", input="one")
    assert len(answer.data) == 1
