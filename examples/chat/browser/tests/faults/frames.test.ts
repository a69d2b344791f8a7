import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

const nonsense = [
  'not JSON',
  '',
  'null',
  '[]',
  '7',
  '"text"',
  '{}',
  '{"type":7,"payload":{}}',
  '{"type":"x"}',
  '{"type":"x","payload":[]}',
]
const unknown = [
  '{"type":"$from_the_future","payload":{}}',
  '{"type":"from_the_future","topics":["nobody"],"payload":{}}',
]

test('bad frames: what is no JSON or no event breaks nothing', async ({ demo, page, site, topic }) => {
  const wire = await Wire.tap(page)
  const client = await Remote.open(page, site, { url: demo.socket })
  await client.join(`topic_${topic}`)
  for (const text of [...nonsense, ...unknown]) wire.inject(text)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'still here')`
  await expect.poll(client.contents).toEqual(['still here'])
  expect(await client.states()).toEqual(['connecting', 'connected'])
  expect(await page.evaluate(() => window.probe.client.badFrames)).toBe(nonsense.length)
})

test('a listener that throws: the others hear the event, and so does it the next', async ({
  demo,
  site,
  topic,
  visitor,
}) => {
  const page = await visitor({ expects: [/on purpose/] })
  const client = await Remote.open(page, site, { url: demo.socket })
  await page.evaluate(name => {
    window.probe.client.subscribe([name], {
      onMessage: () => {
        throw new Error('on purpose')
      },
      onEvent: event => {
        window.probe.heard.push(event.type)
        throw new Error('on purpose')
      },
    })
  }, `topic_${topic}`)
  await client.join(`topic_${topic}`)
  for (const content of ['one', 'two'])
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
  await expect.poll(client.contents).toEqual(['one', 'two'])
  expect(await page.evaluate(() => window.probe.heard)).toEqual(['message_created', 'message_created'])
  expect(await client.states()).toEqual(['connecting', 'connected'])
})
