import { List } from '../../harness/list.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

const backoff = { baseMs: 10, factor: 1, attempts: 1_000 }

test('fetch, then join: an event between the two is not lost', async ({ demo, page, site, topic }) => {
  const wire = await Wire.tap(page)
  const release = wire.hold('join')
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await page.locator('ul[data-loaded=true]').waitFor({ state: 'attached' })
  await expect.poll(() => wire.of('join').length).toBe(1)
  expect(await list.rows()).toEqual([])

  const published = await demo.witness(`topic_${topic}`)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'in between')`
  await expect.poll(published).toBe(1)
  release()

  await list.shows(['in between'])
  expect(wire.of('$joined')[0]?.payload).toMatchObject({ recovered: true, replayed: 1 })
  expect(wire.of('$resync')).toEqual([])
})

test('fetch, then join: nor is one from before the component was there', async ({ demo, page, site, topic }) => {
  const client = await Remote.open(page, site, { url: demo.socket })
  await client.join('projects')
  const published = await demo.witness(`topic_${topic}`)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'after the loader')`
  await expect.poll(published).toBe(1)
  await client.join(`topic_${topic}`)
  await expect.poll(client.contents).toEqual(['after the loader'])
})

test('cursors lie while a join is open: cut at any frame of a join, every row arrives, and once', async ({
  demo,
  page,
  site,
  topic,
}) => {
  const wire = await Wire.tap(page)
  const client = await Remote.open(page, site, { url: demo.socket, random: 0, backoff })
  await client.join(`topic_${topic}`)
  const written: string[] = []
  const write = async (...contents: string[]): Promise<void> => {
    for (const content of contents)
      await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
    written.push(...contents)
  }
  await write('live')
  await expect.poll(client.contents).toEqual(written)

  // The frames of a connection that comes back: $welcome, join, three events, $joined.
  for (let n = 1; n <= 6; n++) {
    const release = wire.hold('$welcome')
    wire.cutAt(n)
    await wire.cut()
    await write(`${n}a`, `${n}b`, `${n}c`)
    release()
    await expect.poll(() => wire.cutAtLast).toBe(n)
    await write(`${n}d`)
    await expect.poll(client.contents).toEqual(written)
  }
  expect(await client.resyncs()).toEqual([])
})

test('cursors lie while a join is open: an event of another topic does not move the cursor past it', async ({
  demo,
  page,
  site,
  topic,
}) => {
  const wire = await Wire.tap(page)
  const client = await Remote.open(page, site, { url: demo.socket, random: 0, backoff })
  await client.join('projects')

  wire.lose('join')
  await page.evaluate(name => window.probe.join(name), `topic_${topic}`)
  await expect.poll(() => wire.of('join').length).toBe(2)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'early')`
  await demo.sql`INSERT INTO projects (name) VALUES ('later')`
  await expect.poll(() => wire.of('project_created').length).toBe(1)

  wire.lose(null)
  await wire.cut()
  await expect.poll(client.contents).toEqual(['early'])
})
