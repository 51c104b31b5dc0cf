"""Files and audio: multipart bodies, binary answers, state that lives in one region."""

import io
import struct
import wave

import openai
import pytest

from conftest import azure, v1


@pytest.fixture(params=[azure, v1], ids=["azure", "v1"])
def pinned(request, proxy, names):
    """A client whose requests all go to the second region, where its files then are."""
    headers = {"x-nearway-region": names[1]}
    with request.param(proxy.url, default_headers=headers) as client:
        yield client


def test_upload_to_delete(pinned):
    content = b'{"n": 1}\n' * 20_000
    file = pinned.files.create(file=("batch.jsonl", content), purpose="batch")
    assert file.bytes == len(content)
    assert pinned.files.retrieve(file.id).filename == "batch.jsonl"
    assert file.id in [each.id for each in pinned.files.list()]
    assert pinned.files.content(file.id).read() == content
    assert pinned.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        pinned.files.retrieve(file.id)


def test_a_file_is_where_the_pin_says(pinned, world, names):
    answer = pinned.files.with_raw_response.create(file=("a.txt", b"a"), purpose="assistants")
    assert answer.headers["x-nearway-region"] == names[1]
    elsewhere = pinned.with_options(default_headers={"x-nearway-region": names[0]})
    with pytest.raises(openai.NotFoundError):
        elsewhere.files.retrieve(answer.parse().id)


def test_transcription(client):
    answer = client.audio.transcriptions.create(
        model="whisper", file=("speech.wav", a_second_of_silence())
    )
    assert isinstance(answer.text, str) and answer.text


def a_second_of_silence():
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(struct.pack("<h", 0) * 8_000)
    return out.getvalue()
