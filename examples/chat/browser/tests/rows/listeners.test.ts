import type { Page } from 'playwright-core'
import { Hooks } from '../../harness/hooks.ts'
import { Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'

test('row 10: what is no JSON, or no event, breaks nothing', async ({ demo, page, topic }) => {
  const { olena, maks, wire } = await Panes.open(page, demo)
  for (const pane of [olena, maks]) await pane.openTopic(topic)
  const nonsense = [
    'not JSON',
    '',
    'null',
    '[]',
    '7',
    '{}',
    '{"type":7}',
    '{"type":"message_created"}',
    '{"type":"$new"}',
  ]
  for (const text of nonsense) wire.inject(text)
  await page.locator('[data-testid=frame][data-type="$new"]').waitFor()

  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'still here')`
  for (const pane of [olena, maks]) {
    await expect.poll(pane.messages).toEqual(['still here'])
    expect(await pane.state()).toBe('connected')
  }
  expect(wire.connections).toBe(2)
})

test('row 10: a listener that throws breaks no other, and is called again', async ({ demo, site, topic, visitor }) => {
  const page = await visitor({ expects: [/on purpose/] })
  const hooks = await Hooks.open(page, site, demo)
  const topics = [`topic_${topic}`]
  await hooks.mount({ name: 'first', topics, throws: true }, { name: 'second', topics })
  for (const content of ['one', 'two'])
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
  const both = ['message_created', 'message_created']
  await expect.poll(hooks.types).toEqual({ first: both, second: both })
})

interface Line {
  open: boolean
  /** What the page asked for: "join topic_7". */
  asked: string[]
}

/** The sockets that the page opens from now on. */
function listen(page: Page): Line[] {
  const lines: Line[] = []
  page.on('websocket', socket => {
    const line: Line = { open: true, asked: [] }
    lines.push(line)
    socket.on('close', () => (line.open = false))
    socket.on('framesent', ({ payload }) => {
      const { type, topics } = JSON.parse(String(payload))
      line.asked.push(`${type} ${topics}`)
    })
  })
  return lines
}

for (const build of ['development', 'production'] as const) {
  test(`row 11: topics are left with their last user, and the last user of all closes the socket (${build})`, async ({
    demo,
    page,
    site,
  }) => {
    const lines = listen(page)
    const hooks = await Hooks.open(page, site, demo, build)
    const list = { name: 'list', topics: ['topic_7'] }
    const badge = { name: 'badge', topics: ['topic_7', 'topic_6'] }
    // StrictMode's development build mounts each of them twice.
    await hooks.mount(list, badge)
    expect(lines).toEqual([{ open: true, asked: ['join topic_7,topic_6'] }])

    await hooks.mount(list)
    await expect.poll(() => lines).toEqual([{ open: true, asked: ['join topic_7,topic_6', 'leave topic_6'] }])
    await hooks.mount()
    await expect.poll(() => lines[0]?.open).toBe(false)
    await hooks.mount(list)
    expect(lines.slice(1)).toEqual([{ open: true, asked: ['join topic_7'] }])
  })
}

test('row 11: who goes to another page leaves its topic', async ({ demo, page, topic }) => {
  const { olena, wire } = await Panes.open(page, demo)
  await olena.openTopic(topic)
  await expect.poll(() => wire.of('leave').map(frame => frame.topics)).toEqual([['topic_7']])
  expect(wire.connections).toBe(2)
})
