import type { Locator, Page } from 'playwright-core'
import { Hooks } from '../../harness/hooks.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

test('row 1: onMessage is given the events of the topics that were named, as JSON', async ({
  demo,
  page,
  site,
  topic,
}) => {
  const hooks = await Hooks.open(page, site, demo)
  const names = ['messages', 'analysis', 'proposals', 'knowledge', 'projects', `topic_${topic}`]
  await hooks.mount(...names.map(name => ({ name, topics: [name] })))

  await demo.sql`INSERT INTO analysis_runs DEFAULT VALUES`
  await demo.sql`INSERT INTO proposals (title) VALUES ('a proposal')`
  await demo.sql`INSERT INTO knowledge_atoms (title) VALUES ('an atom')`
  await demo.sql`INSERT INTO projects (name) VALUES ('a project')`
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'a message')`
  await expect.poll(hooks.types).toEqual({
    analysis: ['analysis_run_created', 'analysis_started'],
    proposals: ['proposal_created'],
    knowledge: ['knowledge_created'],
    projects: ['project_created'],
    messages: ['message_created'],
    [`topic_${topic}`]: ['message_created'],
  })
  const [payload] = await hooks.payloads(`topic_${topic}`)
  expect(payload).toMatchObject({ topic_id: topic, message: { content: 'a message' }, changed: true })
})

/** Stops the page's clock: from now on it is what the test says. */
async function stopClock(page: Page): Promise<void> {
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000))
}

/** Waits without any jitter. */
async function calm(page: Page): Promise<void> {
  await page.addInitScript(() => {
    Math.random = () => 0
  })
}

test('row 2: connecting, connected, reconnecting, disconnected', async ({ demo, page }) => {
  await calm(page)
  await page.clock.install()
  const wire = await Wire.tap(page)
  const release = wire.hold('$welcome')
  await page.goto(demo.url)
  const olena = (id: string): Locator => page.getByTestId('pane-olena').getByTestId(id)
  const state = (): Promise<string | null> => olena('badge').getAttribute('data-state')
  await expect.poll(() => wire.connections).toBe(2)
  expect(await state()).toBe('connecting')
  release()
  await expect.poll(state).toBe('connected')

  await stopClock(page)
  await olena('drop').click()
  await expect.poll(state).toBe('reconnecting')
  await page.clock.runFor(1_000)
  await expect.poll(state).toBe('connected')

  // It was connected for less than 5 s: this is the second attempt of five.
  await olena('drop').click()
  for (const [i, seconds] of [2, 4, 8, 16].entries()) {
    await expect.poll(() => olena('countdown').count()).toBe(1)
    expect(await state()).toBe('reconnecting')
    wire.cutAt(1)
    await page.clock.runFor(seconds * 1_000)
    await expect.poll(() => wire.connections).toBe(4 + i)
  }
  await expect.poll(state).toBe('disconnected')
  await olena('retry').click()
  await expect.poll(state).toBe('connected')
})

test('row 3: attempts after 1, 2, 4, 8 and 16 s, then no more', async ({ demo, visitor }) => {
  const page = await visitor({ expects: [/ERR_INTERNET_DISCONNECTED/] })
  let sockets = 0
  page.on('websocket', () => sockets++)
  await calm(page)
  await page.clock.install()
  await page.goto(demo.url)
  const olena = page.getByTestId('pane-olena')
  const state = (): Promise<string | null> => olena.getByTestId('badge').getAttribute('data-state')
  const countdown = olena.getByTestId('countdown')
  await page.locator('[data-testid=badge][data-state=connected]').nth(1).waitFor()
  await stopClock(page)

  await page.context().setOffline(true)
  for (const [i, seconds] of [1, 2, 4, 8, 16].entries()) {
    await expect.poll(() => page.getByTestId('countdown').count()).toBe(2)
    await page.clock.runFor(300) // a tick of the countdown
    await expect.poll(() => countdown.textContent()).toBe(`in ${seconds} s`)
    await page.clock.runFor(seconds * 1_000 - 301)
    expect(await state()).toBe('reconnecting')
    expect(sockets).toBe(2 + 2 * i)
    await page.clock.runFor(1)
    await expect.poll(() => sockets).toBe(4 + 2 * i)
  }
  await expect.poll(state).toBe('disconnected')
  await page.context().setOffline(false)
  await expect.poll(state).toBe('connected')
})

test('row 3: delays and attempts can be set', async ({ demo, page, site, topic }) => {
  await page.clock.install()
  const wire = await Wire.tap(page)
  const backoff = { baseMs: 100, factor: 3, maxMs: 500, attempts: 3 }
  const client = await Remote.open(page, site, { url: demo.socket, random: 0, backoff })
  await client.join(`topic_${topic}`)
  await stopClock(page)
  await wire.cut()
  for (const [i, ms] of [100, 300, 500].entries()) {
    await expect.poll(client.retryIn).toBe(ms)
    expect(await client.state()).toBe('reconnecting')
    wire.cutAt(1)
    await page.clock.runFor(ms)
    await expect.poll(() => wire.connections).toBe(2 + i)
  }
  await expect.poll(client.state).toBe('disconnected')
})
