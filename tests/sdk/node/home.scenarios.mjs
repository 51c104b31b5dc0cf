// What `scenarios.py` does, with the Node SDK, as far as that one speaks in its own way.
// Run by test_home.py: what makes an object goes to NEARWAY_URL, if need be to the region
// NEARWAY_HOME; what follows goes to NEARWAY_LATER_URL and says nothing of a region.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import OpenAI, { AzureOpenAI, toFile } from 'openai';

const pin = process.env.NEARWAY_HOME;
const places = [
  { url: process.env.NEARWAY_URL, defaultHeaders: pin ? { 'x-nearway-region': pin } : {} },
  { url: process.env.NEARWAY_LATER_URL, defaultHeaders: {} },
];
const common = { apiKey: "the-client's-own", maxRetries: 0, timeout: 30_000 };
const dialects = {
  azure: ({ url, ...more }) =>
    new AzureOpenAI({ endpoint: url, apiVersion: '2024-10-21', ...common, ...more }),
  v1: ({ url, ...more }) => new OpenAI({ baseURL: `${url}/openai/v1`, ...common, ...more }),
};

for (const [name, dialect] of Object.entries(dialects)) {
  const [creating, later] = places.map(dialect);

  describe(name, () => {
    test('a response is continued, from a stream as well', async () => {
      const first = await creating.responses.create({ model: 'gpt-4o', input: 'one' });
      const stream = await later.responses.create({
        model: 'gpt-4o',
        input: 'two',
        previous_response_id: first.id,
        stream: true,
      });
      let second;
      for await (const event of stream) {
        if (event.type === 'response.completed') second = event.response;
      }
      const third = await later.responses.create({
        model: 'gpt-4o',
        input: 'three',
        previous_response_id: second.id,
      });
      assert.equal(third.previous_response_id, second.id);
    });

    test('sealed reasoning is played back', async () => {
      const ask = { model: 'o4-mini', store: false, include: ['reasoning.encrypted_content'] };
      const first = await creating.responses.create({ ...ask, input: 'one' });
      const input = [...first.output, { role: 'user', content: 'two' }];
      const second = await later.responses.create({ ...ask, input });
      assert.ok(second.output_text);
    });

    test('a file is worked off in a batch', async () => {
      const file = await creating.files.create({
        file: await toFile(Buffer.from('{"custom_id": "a"}\n'), 'in.jsonl'),
        purpose: 'batch',
      });
      const batch = await later.batches.create({
        input_file_id: file.id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      });
      const done = await later.batches.retrieve(batch.id);
      const output = await later.files.content(done.output_file_id);
      assert.equal(JSON.parse(await output.text()).custom_id, 'a');
    });

    test('an assistant answers in a stream', async () => {
      const assistant = await creating.beta.assistants.create({ model: 'gpt-4o' });
      const thread = await creating.beta.threads.create();
      await later.beta.threads.messages.create(thread.id, { role: 'user', content: 'Hello.' });
      const text = [];
      const run = later.beta.threads.runs
        .stream(thread.id, { assistant_id: assistant.id })
        .on('textDelta', (delta) => text.push(delta.value));
      await run.finalRun();
      assert.match(text.join(''), /^Hello from /);
    });

    test('lists are paged to their end', async () => {
      const thread = await creating.beta.threads.create();
      for (const content of ['0', '1', '2']) {
        await later.beta.threads.messages.create(thread.id, { role: 'user', content });
      }
      const said = [];
      const list = later.beta.threads.messages.list(thread.id, { limit: 2, order: 'asc' });
      for await (const message of list) said.push(message.content[0].text.value);
      assert.deepEqual(said, ['0', '1', '2']);
    });
  });
}
