"""What people do with objects that live in the region which made them, one function for each.

A scenario asks its stage for a client: `creating` for what makes an object that names no other
one, `later` for all that follows and therefore has to find its way home. It asserts what the user
would notice; that no refusal reached the client is asserted for all of them by `test_home.py`.
"""

import json

MESSAGE = [{"role": "user", "content": "Say hello."}]


def a_response_is_continued(stage):
    first = stage.creating().responses.create(model="gpt-4o", input="one")
    second = stage.later().responses.create(
        model="gpt-4o", input="two", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    stream = stage.later().responses.create(
        model="gpt-4o", input="three", previous_response_id=second.id, stream=True
    )
    third = [event for event in stream if event.type == "response.completed"][0].response
    assert third.previous_response_id == second.id
    # learned from the stream
    assert stage.later().responses.retrieve(third.id).output_text == third.output_text
    asked = stage.later().responses.input_items.list(second.id).data
    assert asked[0].content[0].text == "two"
    stage.later().responses.delete(first.id)


def a_response_in_the_background_is_looked_at(stage):
    queued = stage.creating().responses.create(model="gpt-4o", input="one", background=True)
    assert queued.status == "queued"
    assert stage.later().responses.retrieve(queued.id).status == "completed"
    other = stage.creating().responses.create(model="gpt-4o", input="one", background=True)
    assert stage.later().responses.cancel(other.id).status == "cancelled"


def sealed_reasoning_is_played_back(stage):
    ask = {"model": "o4-mini", "store": False, "include": ["reasoning.encrypted_content"]}
    first = stage.creating().responses.create(input="one", **ask)
    kinds = [item.type for item in first.output]
    assert kinds == ["reasoning", "message"] and len(first.output[0].encrypted_content) > 2_000
    turns = [{"role": "user", "content": "one"}, *first.output]
    turns.append({"role": "user", "content": "two"})
    # the second answer comes as a stream, and its reasoning goes on as well
    with stage.later().responses.stream(input=turns, **ask) as stream:
        second = stream.get_final_response()
    turns += [*second.output, {"role": "user", "content": "three"}]
    third = stage.later().responses.create(input=turns, **ask)
    assert third.output_text


def items_are_named(stage):
    first = stage.creating().responses.create(model="o4-mini", input="one")
    names = [{"type": "item_reference", "id": item.id} for item in first.output]
    turns = [*names, {"role": "user", "content": "two"}]
    assert stage.later().responses.create(model="o4-mini", input=turns).output_text


def a_conversation_goes_on(stage):
    conversation = stage.creating().conversations.create(metadata={"a": "b"})
    for said in ("one", "two"):
        answer = stage.later().responses.create(
            model="gpt-4o", input=said, conversation=conversation.id
        )
        assert answer.conversation.id == conversation.id
    items = stage.later().conversations.items.list(conversation.id, order="asc", limit=3)
    assert [item.role for item in items] == ["user", "assistant"] * 2
    stage.later().conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "user", "content": "three"}]
    )
    assert stage.later().conversations.delete(conversation.id).deleted


def a_file_is_worked_off_in_a_batch(stage):
    lines = [{"custom_id": name, "method": "POST", "body": {}} for name in "abc"]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = stage.creating().files.create(file=("in.jsonl", content), purpose="batch")
    batch = stage.later().batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    done = stage.later().batches.retrieve(batch.id)
    assert done.status == "completed"
    # the answer that named this file was not the one which made the batch
    output = stage.later().files.content(done.output_file_id).text.splitlines()
    assert [json.loads(line)["custom_id"] for line in output] == ["a", "b", "c"]
    assert stage.later().files.content(file.id).read() == content
    assert stage.later().files.delete(file.id).deleted


def a_file_is_sent_in_parts(stage):
    parts = [b"hello ", b"world"]
    upload = stage.creating().uploads.create(
        filename="a.txt", purpose="batch", bytes=sum(map(len, parts)), mime_type="text/plain"
    )
    names = [
        stage.later().uploads.parts.create(upload.id, data=("part", part)).id for part in parts
    ]
    done = stage.later().uploads.complete(upload.id, part_ids=names)
    assert stage.later().files.content(done.file.id).read() == b"hello world"


def a_model_is_tuned(stage):
    file = stage.creating().files.create(file=("in.jsonl", b"{}"), purpose="fine-tune")
    job = stage.later().fine_tuning.jobs.create(model="gpt-4o", training_file=file.id)
    assert stage.later().fine_tuning.jobs.retrieve(job.id).status == "succeeded"
    assert len(list(stage.later().fine_tuning.jobs.list_events(job.id, limit=1))) == 2
    assert stage.later().fine_tuning.jobs.checkpoints.list(job.id).data


def an_assistant_searches_and_answers(stage):
    file = stage.creating().files.create(file=("a.txt", b"alpha"), purpose="assistants")
    store = stage.later().vector_stores.create(name="s", file_ids=[file.id])
    assert stage.later().vector_stores.search(store.id, query="a").data[0].file_id == file.id
    more = stage.later().vector_stores.file_batches.create(store.id, file_ids=[file.id])
    more = stage.later().vector_stores.file_batches.retrieve(more.id, vector_store_id=store.id)
    assert more.status == "completed"
    assistant = stage.later().beta.assistants.create(
        model="gpt-4o",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    # nothing in it says where it belongs, so it is made where the rest is
    thread = stage.creating().beta.threads.create(messages=MESSAGE)
    run = stage.later().beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    assert run.status == "completed"
    with stage.later().beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id
    ) as stream:
        assert "".join(stream.text_deltas).startswith("Hello from ")
        streamed = stream.get_final_run()
    steps = stage.later().beta.threads.runs.steps.list(streamed.id, thread_id=thread.id)
    assert steps.data[0].step_details.message_creation.message_id
    messages = list(stage.later().beta.threads.messages.list(thread.id, order="asc", limit=2))
    assert [message.role for message in messages] == ["user", "assistant", "assistant"]


def a_run_makes_its_thread(stage):
    assistant = stage.creating().beta.assistants.create(model="gpt-4o")
    events = stage.later().beta.threads.create_and_run(
        assistant_id=assistant.id, thread={"messages": MESSAGE}, stream=True
    )
    told = {event.event: event.data for event in events}
    thread, run = told["thread.created"].id, told["thread.run.completed"].id
    # both were learned from the stream
    there = stage.later().beta.threads.runs.retrieve(run, thread_id=thread)
    assert there.status == "completed"
    message = {"role": "user", "content": "More."}
    stage.later().beta.threads.messages.create(thread, **message)
    assert len(stage.later().beta.threads.messages.list(thread).data) == 3


def tools_read_what_is_in_the_region(stage):
    file = stage.creating().files.create(file=("a.txt", b"alpha"), purpose="assistants")
    container = stage.later().containers.create(name="c", file_ids=[file.id])
    copies = list(stage.later().containers.files.list(container.id))
    content = stage.later().containers.files.content.retrieve(
        copies[0].id, container_id=container.id
    )
    assert content.read() == b"alpha"
    python = {"type": "code_interpreter", "container": container.id}
    part = {"type": "input_file", "file_id": file.id}
    answer = stage.later().responses.create(
        model="gpt-4o", tools=[python], input=[{"role": "user", "content": [part]}]
    )
    assert answer.output_text
    stage.later().containers.delete(container.id)


def a_chat_is_stored(stage):
    made = stage.creating().chat.completions.create(
        model="gpt-4o", messages=MESSAGE, store=True, metadata={"a": "b"}
    )
    kept = stage.later().chat.completions.retrieve(made.id)
    assert kept.choices[0].message.content == made.choices[0].message.content
    changed = stage.later().chat.completions.update(made.id, metadata={"a": "c"})
    assert changed.metadata == {"a": "c"}
    assert stage.later().chat.completions.messages.list(made.id).data[0].content
    assert stage.later().chat.completions.delete(made.id).deleted


def an_eval_runs(stage):
    file = stage.creating().files.create(file=("a.jsonl", b"{}"), purpose="evals")
    config = {"type": "custom", "item_schema": {}}
    # an eval names nothing: it is made where the file is
    eval = stage.creating().evals.create(data_source_config=config, testing_criteria=[])
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    run = stage.later().evals.runs.create(eval.id, data_source=source)
    assert stage.later().evals.runs.retrieve(run.id, eval_id=eval.id).status == "completed"
    assert list(stage.later().evals.runs.output_items.list(run.id, eval_id=eval.id))


def a_video_is_remixed(stage):
    video = stage.creating().videos.create(prompt="a cat")
    assert stage.later().videos.retrieve(video.id).status == "completed"
    assert stage.later().videos.download_content(video.id).read()
    remix = stage.later().videos.remix(video.id, prompt="a dog")
    assert remix.remixed_from_video_id == video.id


def lists_are_paged_to_their_end(stage):
    made = [stage.creating().vector_stores.create(name=str(number)).id for number in range(5)]
    listed = [store.id for store in stage.later().vector_stores.list(limit=2)]
    # others may have made some before
    assert [each for each in listed if each in made] == made[::-1]
    assert len(listed) == len(set(listed))
    after = stage.later().vector_stores.list(after=made[2], limit=2)
    assert [store.id for store in after.data] == made[1::-1]
    thread = stage.creating().beta.threads.create()
    for number in range(5):
        stage.later().beta.threads.messages.create(thread.id, role="user", content=str(number))
    messages = stage.later().beta.threads.messages.list(thread.id, limit=2, order="asc")
    assert [message.content[0].text.value for message in messages] == list("01234")


ALL = [
    a_response_is_continued,
    a_response_in_the_background_is_looked_at,
    sealed_reasoning_is_played_back,
    items_are_named,
    a_conversation_goes_on,
    a_file_is_worked_off_in_a_batch,
    a_file_is_sent_in_parts,
    a_model_is_tuned,
    an_assistant_searches_and_answers,
    a_run_makes_its_thread,
    tools_read_what_is_in_the_region,
    a_chat_is_stored,
    an_eval_runs,
    a_video_is_remixed,
    lists_are_paged_to_their_end,
]
