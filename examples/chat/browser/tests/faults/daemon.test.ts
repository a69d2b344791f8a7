import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Daemon } from '../../harness/daemon.ts'
import { Demo } from '../../harness/demo.ts'
import { List } from '../../harness/list.ts'
import { Remote } from '../../harness/remote.ts'
import { Site } from '../../harness/site.ts'
import { expect, test } from '../../harness/test.ts'

/** What Chromium says of a daemon that is gone or on its way, in ever other words for why. */
const gone = /WebSocket connection to '.*' failed/
const backoff = { baseMs: 100, factor: 1, attempts: 1_000 }

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`the daemon ends by ${signal} and comes back: rows written meanwhile arrive, once, and nothing is refetched`, async ({
    demo,
    site,
    topic,
    visitor,
  }) => {
    const daemon = await Daemon.start(demo.database.url, '--shutdown.spread=1ms')
    const page = await visitor({ expects: [gone] })
    const client = await Remote.open(page, site, { url: daemon.socket, lookbackMs: 0, backoff })
    await client.join(`topic_${topic}`)
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'before')`
    await expect.poll(client.contents).toEqual(['before'])

    await daemon.end(signal)
    await expect.poll(client.state).toBe('reconnecting')
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'meanwhile 1'), (${topic}, 'meanwhile 2')`
    await daemon.start()
    await expect.poll(client.contents).toEqual(['before', 'meanwhile 1', 'meanwhile 2'])
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'after')`
    await expect.poll(client.contents).toEqual(['before', 'meanwhile 1', 'meanwhile 2', 'after'])
    expect(await client.resyncs()).toEqual([])
    await daemon.end()
  })
}

test('Postgres crashes and recovers: the list is right again', async ({ onTestFinished, page }) => {
  const folder = await mkdtemp(join(tmpdir(), 'rowcast-crash-'))
  await chmod(folder, 0o755) // Postgres runs as somebody else where we are root
  const demo = await Demo.start(`--keep=${folder}`) // a throw-away cluster may lose commits in a crash
  const site = await Site.open(demo.database)
  onTestFinished(async () => {
    await site.close()
    await demo.end()
    await rm(folder, { recursive: true })
  })
  const list = await List.open(page, site, { socket: demo.socket, topic: '5' })
  await list.live()
  const before = await list.rows()
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (5, 'before')`
  await list.shows([...before, 'before'])

  // When one of its processes is killed, Postgres ends them all and recovers from its log.
  const [backend] = await demo.sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
  process.kill(backend?.pid ?? 0, 'SIGKILL')
  const write = (): Promise<boolean> =>
    demo.sql`INSERT INTO messages (topic_id, content) VALUES (5, 'after')`.then(
      () => true,
      () => false,
    )
  await expect.poll(write).toBe(true)
  await list.shows([...before, 'before', 'after'])
})
