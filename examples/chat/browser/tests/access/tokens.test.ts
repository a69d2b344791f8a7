import { Daemon } from '../../harness/daemon.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test as plain } from '../../harness/test.ts'
import { guarded, token } from '../../harness/token.ts'
import { Wire } from '../../harness/wire.ts'

/** Good for so many seconds: the daemon announces its end halfway. */
const SOON = 16

const test = plain.extend<{ daemon: Daemon }>({
  daemon: async ({ demo }, use) => {
    const daemon = await Daemon.start(demo.database.url, ...guarded)
    await use(daemon)
    await daemon.end()
  },
})

test('tokens: said first, and renewed on the living socket before they run out', async ({ daemon, page, site }) => {
  const wire = await Wire.tap(page)
  const client = await Remote.open(page, site, { url: daemon.socket, tokens: [token('maks', SOON), token('maks')] })
  await client.join('user_maks')
  expect(wire.frames.flatMap(({ from, type }) => (from === 'page' ? type : []))).toEqual(['auth', 'join'])

  await expect.poll(() => wire.of('$token_expiring').length, { timeout: SOON * 1000 }).toBe(1)
  await expect.poll(() => wire.of('$authed').length).toBe(2)
  expect(wire.of('$authed')[1]?.payload?.expires_in_ms).toBeGreaterThan(3_000_000)
  expect(wire.connections).toBe(1)
  expect(await client.states()).toEqual(['connecting', 'connected'])
})

test('tokens: one that ran out is replaced once, and the topics are joined again', async ({ daemon, page, site }) => {
  const wire = await Wire.tap(page)
  const tokens = [token('maks', 3), false as const, token('maks')]
  const client = await Remote.open(page, site, { url: daemon.socket, tokens, random: 0 })
  await client.join('user_maks')
  await expect.poll(() => wire.of('join').length).toBe(2)
  expect(wire.of('$error').map(frame => frame.payload?.code)).toEqual(['token_expired'])
  expect(JSON.parse(wire.of('join')[1]?.text ?? '')).toMatchObject({ topics: ['user_maks'], since: expect.any(String) })
  await expect.poll(client.state).toBe('connected')
  expect(wire.connections).toBe(2)
})

test('tokens: one that is no good is asked for once more, then never by itself', async ({ daemon, page, site }) => {
  await page.clock.install()
  const wire = await Wire.tap(page)
  const tokens = ['none', token('maks', -60), token('maks')]
  const client = await Remote.open(page, site, { url: daemon.socket, tokens, random: 0 })
  await page.evaluate(() => window.probe.join('user_maks'))
  await expect.poll(client.state).toBe('disconnected')
  expect(wire.of('$error').map(frame => frame.payload?.code)).toEqual(['unauthenticated', 'token_expired'])
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await page.clock.runFor(120_000)
  expect(await client.retryIn()).toBe(null)
  expect(wire.connections).toBe(2)

  await page.evaluate(() => window.probe.client.retry())
  await expect.poll(client.joined).toEqual(['user_maks'])
})

test('tokens: a logout leaves everything and forgets the cursor', async ({ daemon, page, site }) => {
  const wire = await Wire.tap(page)
  const tokens = [token('maks'), null, token('olena')]
  const client = await Remote.open(page, site, { url: daemon.socket, tokens })
  await client.join('topic_7')
  await page.evaluate(() => window.probe.client.authChanged())
  await expect.poll(client.state).toBe('disconnected')
  expect(await client.retryIn()).toBe(null)
  await page.evaluate(() => window.probe.client.authChanged())
  await expect.poll(client.state).toBe('connected')
  await expect.poll(() => wire.of('join').length).toBe(2)
  expect(JSON.parse(wire.of('join')[1]?.text ?? '')).not.toHaveProperty('since')
})

test('tokens: the page logs in anew before its token runs out, and stays connected', async ({ demo, page }) => {
  let logins = 0
  await page.route('**/api/login', route => {
    if (route.request().postDataJSON().user !== 'maks' || logins++ > 0) return route.continue()
    const expires = new Date(Date.now() + SOON * 1000).toISOString()
    return route.fulfill({ json: { token: token('maks', SOON), expires } })
  })
  const wire = await Wire.tap(page)
  await page.goto(demo.url)
  await expect.poll(() => wire.of('$token_expiring').length, { timeout: SOON * 1000 }).toBe(1)
  await expect.poll(() => wire.of('$authed').length).toBe(3)
  expect(wire.of('$authed')[2]?.payload?.expires_in_ms).toBeGreaterThan(600_000)
  expect(await page.getByTestId('pane-maks').getByTestId('badge').getAttribute('data-state')).toBe('connected')
  expect(wire.connections).toBe(2)
})
