// The Node SDK through the proxy. Run by test_node.py, which sets the two variables.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import OpenAI, { AzureOpenAI } from 'openai';

const url = process.env.NEARWAY_URL;
const regions = process.env.NEARWAY_REGIONS.split(',');
const messages = [{ role: 'user', content: 'Say hello.' }];
const common = { apiKey: "the-client's-own", maxRetries: 0, timeout: 30_000 };

const clients = {
  azure: new AzureOpenAI({ endpoint: url, apiVersion: '2024-10-21', ...common }),
  v1: new OpenAI({ baseURL: `${url}/openai/v1`, ...common }),
  plain: new OpenAI({ baseURL: `${url}/v1`, ...common }),
};

for (const [name, client] of Object.entries(clients)) {
  describe(name, () => {
    test('chat', async () => {
      const answer = await client.chat.completions.create({ model: 'gpt-4o', messages });
      assert.ok(answer.choices[0].message.content);
    });

    test('stream', async () => {
      const stream = await client.chat.completions.create({
        model: 'gpt-4o',
        messages,
        stream: true,
      });
      const pieces = [];
      for await (const chunk of stream) {
        const content = chunk.choices[0]?.delta?.content;
        if (content) pieces.push(content);
      }
      assert.ok(pieces.length > 1);
      assert.match(pieces.join(''), /^Hello from /);
    });

    test('embeddings', async () => {
      const answer = await client.embeddings.create({
        model: 'text-embedding-3-small',
        input: ['one', 'two'],
      });
      assert.equal(answer.data.length, 2);
      assert.ok(answer.data[0].embedding.length > 1);
    });

    test('response and headers', async () => {
      const { data, response } = await client.responses
        .create({ model: 'gpt-4o', input: 'Say hello.' })
        .withResponse();
      assert.ok(data.output_text);
      assert.ok(regions.includes(response.headers.get('x-nearway-region')));
      assert.equal(response.headers.get('x-nearway-attempts'), '1');
    });

    test('an unknown deployment', async () => {
      await assert.rejects(
        client.chat.completions.create({ model: 'no-such-deployment', messages }),
        (error) => error instanceof OpenAI.NotFoundError && error.code === 'DeploymentNotFound',
      );
    });
  });
}
