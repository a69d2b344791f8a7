import { Impostor } from '../../harness/impostor.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test as plain } from '../../harness/test.ts'

const test = plain.extend<{ server: Impostor }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures are wanted from the pattern
  server: async ({}, use) => {
    const server = await Impostor.open('first', 'second')
    await use(server)
    await server.close()
  },
})

test('tokens: said first, and renewed on the living socket before they run out', async ({ page, server, site }) => {
  const client = await Remote.open(page, site, { url: server.socket, tokens: ['first', 'second'] })
  await client.join('topic_7')
  expect(server.requests.map(request => request.type)).toEqual(['auth', 'join'])

  server.send({ type: '$token_expiring', payload: { in_ms: 60_000 } })
  await expect.poll(() => server.of('auth').map(request => request.token)).toEqual(['first', 'second'])
  expect(server.connections).toBe(1)
  expect(await client.states()).toEqual(['connecting', 'connected'])
})

test('tokens: one that ran out is replaced once, and the topics are joined again', async ({ page, server, site }) => {
  const client = await Remote.open(page, site, { url: server.socket, tokens: ['first', 'second'], random: 0 })
  await client.join('topic_7')
  server.refuse()
  await expect.poll(() => server.of('join').length).toBe(2)
  expect(server.of('auth').map(request => request.token)).toEqual(['first', 'second'])
  expect(server.of('join')[1]).toMatchObject({ topics: ['topic_7'], since: 'c2' })
  await expect.poll(client.state).toBe('connected')
})

test('tokens: one that is no good is asked for once more, then never by itself', async ({ page, server, site }) => {
  await page.clock.install()
  const client = await Remote.open(page, site, { url: server.socket, tokens: ['bad', 'worse', 'first'], random: 0 })
  await page.evaluate(() => window.probe.join('topic_7'))
  await expect.poll(() => server.of('auth').map(request => request.token)).toEqual(['bad', 'worse'])
  await expect.poll(client.state).toBe('disconnected')
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await page.clock.runFor(120_000)
  expect(await client.retryIn()).toBe(null)
  expect(server.connections).toBe(2)

  await page.evaluate(() => window.probe.client.retry())
  await expect.poll(client.joined).toEqual(['topic_7'])
})

test('tokens: a logout leaves everything and forgets the cursor', async ({ page, server, site }) => {
  const client = await Remote.open(page, site, { url: server.socket, tokens: ['first', null, 'second'] })
  await client.join('topic_7')
  await page.evaluate(() => window.probe.client.authChanged())
  await expect.poll(client.state).toBe('disconnected')
  expect(await client.retryIn()).toBe(null)
  await page.evaluate(() => window.probe.client.authChanged())
  await expect.poll(client.state).toBe('connected')
  await expect.poll(() => server.of('join').length).toBe(2)
  expect(server.of('join')[1]?.since).toBe(undefined)
})
