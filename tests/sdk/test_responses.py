"""The Responses API with the Python SDK: whole, streamed, and fetched again."""


def test_create(client):
    response = client.responses.create(model="gpt-4o", input="Say hello.")
    assert response.status == "completed"
    assert response.output_text


def test_stream(client):
    kinds, text = [], ""
    for event in client.responses.create(model="gpt-4o", input="Say hello.", stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") > 1
    assert text


async def test_create_async(async_client):
    response = await async_client.responses.create(model="gpt-4o", input="Say hello.")
    assert response.output_text
