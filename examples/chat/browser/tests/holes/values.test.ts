import { List } from '../../harness/list.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'

test('number or string: topic_id and id are strings, whatever they are in SQL', async ({ demo, page, site, topic }) => {
  const client = await Remote.open(page, site, { url: demo.socket })
  await client.join(`topic_${topic}`)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'hi')`
  await expect.poll(client.contents).toEqual(['hi'])
  const [payload] = await page.evaluate(() => window.probe.events.map(event => event.payload))
  expect(payload).toMatchObject({
    topic_id: topic,
    id: expect.any(String),
    message: { topic_id: topic, id: expect.any(String) },
  })
})

test('number or string: a query key with 7 where the event says "7" is warned about in development', async ({
  demo,
  page,
  site,
  topic,
}) => {
  const warnings: string[] = []
  page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
  const list = await List.open(page, site, { socket: demo.socket, topic, key: 'number' }, 'development')
  await list.live()
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'hi')`
  await expect.poll(() => warnings.join('\n')).toMatch(new RegExp(`"${topic}"`))
})
