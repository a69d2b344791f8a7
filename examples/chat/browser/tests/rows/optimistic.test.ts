import type { Page } from 'playwright-core'
import { Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'

/** A message on the screen. */
interface Row {
  /** The same for the same element. */
  element: number
  content: string
  pending: boolean
}

declare global {
  interface Window {
    /** What Olena's list has shown, one state of the document after the other. */
    shown: Row[][]
  }
}

/** Notes from now on what Olena's list shows, whatever briefly. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const pane = document.querySelector('[data-testid=pane-olena]') as HTMLElement
    const elements: Element[] = []
    const look = (): Row[] =>
      [...pane.querySelectorAll<HTMLElement>('[data-testid=message]')].map(row => {
        if (!elements.includes(row)) elements.push(row)
        const content = row.querySelector('[data-testid=message-content]')?.textContent ?? ''
        return { element: elements.indexOf(row), content, pending: row.dataset.pending === 'true' }
      })
    window.shown = [look()]
    new MutationObserver(() => window.shown.push(look())).observe(pane, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    })
  })
}

/** The different things that were shown of some rows, in their order. */
async function history(page: Page, wanted: (row: Row) => boolean): Promise<Row[][]> {
  const shown = (await page.evaluate(() => window.shown)).map(rows => rows.filter(wanted))
  return shown.filter((rows, i) => JSON.stringify(rows) !== JSON.stringify(shown[i - 1]))
}

/** Keeps what the page writes from the server, or the server's answers from the page, until it is released. */
async function hold(page: Page, what: 'request' | 'answer'): Promise<() => void> {
  let release = (): void => {}
  const gate = new Promise<void>(resolve => (release = resolve))
  await page.route('**/api/{topics,messages}/**', async route => {
    if (route.request().method() === 'GET') return route.continue()
    const response = what === 'answer' ? await route.fetch() : undefined
    await gate
    await (response ? route.fulfill({ response }) : route.continue())
  })
  return release
}

/** What of Olena's message is still on its way when another's event comes. */
const ways = { 'its event before the answer': 'answer', "another's event before the request": 'request' } as const
for (const [name, what] of Object.entries(ways)) {
  test(`row 6: shown at once, confirmed, neither gone nor doubled: ${name}`, async ({ demo, page, topic }) => {
    const { olena, maks, wire } = await Panes.open(page, demo)
    for (const pane of [olena, maks]) await pane.openTopic(topic)
    await watch(page)
    const release = await hold(page, what)
    await olena.send('mine')
    await expect.poll(olena.messages).toEqual(['mine'])
    const events = what === 'answer' ? 2 : 0
    await expect.poll(() => wire.of('message_created').length).toBe(events)
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'theirs')`
    await expect.poll(() => wire.of('message_created').length).toBe(events + 2)
    await expect.poll(maks.messages).toContain('theirs')
    expect(await olena.get('message').first().getAttribute('data-pending')).toBe('true')
    release()

    const both = what === 'answer' ? ['mine', 'theirs'] : ['theirs', 'mine']
    for (const pane of [olena, maks]) await expect.poll(pane.messages).toEqual(both)
    expect(await history(page, row => row.content === 'mine')).toEqual([
      [],
      [{ element: 0, content: 'mine', pending: true }],
      [{ element: 0, content: 'mine', pending: false }],
    ])
    expect(await history(page, row => row.content === 'theirs')).toEqual([
      [],
      [{ element: 1, content: 'theirs', pending: false }],
    ])
  })
}

test('row 6: shown at once, confirmed, neither gone nor doubled: the answer before the event', async ({
  demo,
  page,
  topic,
}) => {
  const { olena, maks, wire } = await Panes.open(page, demo)
  for (const pane of [olena, maks]) await pane.openTopic(topic)
  await watch(page)
  const releaseEvent = wire.hold('message_created')
  const releaseAnswer = await hold(page, 'answer')
  await olena.send('mine')
  await expect.poll(olena.messages).toEqual(['mine'])
  releaseAnswer()
  await expect.poll(() => olena.get('message').getAttribute('data-pending')).toBe('false')
  expect(await maks.messages()).toEqual([])
  releaseEvent()
  await expect.poll(maks.messages).toEqual(['mine'])
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'theirs')`
  await expect.poll(olena.messages).toEqual(['mine', 'theirs'])
  expect(await history(page, row => row.content === 'mine')).toEqual([
    [],
    [{ element: 0, content: 'mine', pending: true }],
    [{ element: 0, content: 'mine', pending: false }],
  ])
})

const refused = /status of 422/

test('row 6: refused with 422: shown at once, then taken back', async ({ demo, topic, visitor }) => {
  const page = await visitor({ expects: [refused] })
  const { olena } = await Panes.open(page, demo)
  await olena.openTopic(topic)
  await watch(page)
  const release = await hold(page, 'answer')
  await olena.get('send-too-long').click()
  await expect.poll(olena.messages).toEqual([expect.stringMatching(/^too long/)])
  release()
  await expect.poll(olena.toasts).toEqual([expect.stringMatching(/^Taken back/)])
  await expect.poll(olena.messages).toEqual([])
  expect(await history(page, () => true)).toEqual([
    [],
    [{ element: 0, content: expect.stringMatching(/^too long/), pending: true }],
    [],
  ])
})

test("row 6: refused with 422: the words are not lost, and another's row stays", async ({ demo, topic, visitor }) => {
  const page = await visitor({ expects: [refused] })
  const { olena, maks } = await Panes.open(page, demo)
  for (const pane of [olena, maks]) await pane.openTopic(topic)
  await watch(page)
  const release = await hold(page, 'answer')
  const tooLong = 'x'.repeat(501)
  await olena.send(tooLong)
  await expect.poll(olena.messages).toEqual([tooLong])
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'theirs')`
  await expect.poll(maks.messages).toEqual(['theirs'])
  expect(await olena.messages()).toEqual([tooLong])
  release()

  await expect.poll(olena.messages).toEqual(['theirs'])
  await expect.poll(olena.toasts).toEqual([expect.stringMatching(/^Taken back/)])
  expect(await olena.get('composer').inputValue()).toBe(tooLong)
  expect(await history(page, row => row.content === tooLong)).toEqual([
    [],
    [{ element: 0, content: tooLong, pending: true }],
    [],
  ])
  expect(await history(page, row => row.content === 'theirs')).toEqual([
    [],
    [{ element: 1, content: 'theirs', pending: false }],
  ])
  expect(await maks.messages()).toEqual(['theirs'])
})

test("row 6: an edit never shows the old text again, also when another's event comes before its confirmation", async ({
  demo,
  page,
  topic,
}) => {
  await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${topic}, 'Olena', 'old')`
  const { olena, maks } = await Panes.open(page, demo)
  for (const pane of [olena, maks]) await pane.openTopic(topic)
  const release = await hold(page, 'request')
  await olena.get('edit').click()
  await olena.get('edit-content').fill('new')
  await watch(page)
  await olena.get('edit-save').click()
  await expect.poll(olena.messages).toEqual(['new'])
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'theirs')`
  await expect.poll(maks.messages).toEqual(['old', 'theirs'])
  release()

  for (const pane of [olena, maks]) await expect.poll(pane.messages).toEqual(['new', 'theirs'])
  const texts = (await history(page, row => row.element === 0)).map(([row]) => row?.content)
  expect(texts.filter((text, n) => text !== texts[n - 1])).toEqual(['', 'new']) // '' is the field with the words
})
