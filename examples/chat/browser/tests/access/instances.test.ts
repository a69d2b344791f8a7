import { Daemon } from '../../harness/daemon.ts'
import { Panes } from '../../harness/panes.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'
import { guarded, token } from '../../harness/token.ts'
import { within } from '../../harness/within.ts'

test('two instances: who loses a membership is out on both within a second, with the client and without', async ({
  demo,
  onTestFinished,
  privateTopic,
  site,
  visitor,
}) => {
  const beside = await Daemon.start(demo.database.url, ...guarded)
  onTestFinished(() => beside.end())
  const topic = `topic_${privateTopic}`

  const { maks } = await Panes.open(await visitor(), demo)
  await maks.get(`topic-${privateTopic}`).click()
  await maks.get('closed').waitFor()
  const client = await Remote.open(await visitor(), site, { url: beside.socket, tokens: [token('maks')] })
  await client.join('user_maks')
  await client.page.evaluate(name => {
    window.probe.client.subscribe([name], { onJoined: joined => window.probe.joined.push(...joined) })
    window.probe.client.subscribe(['user_maks'], {
      onEvent: ({ op }) => {
        if (op === 'insert') window.probe.client.retry()
      },
    })
  }, topic)
  await expect.poll(client.denied).toEqual({ [topic]: 'forbidden' })

  await demo.sql`INSERT INTO memberships VALUES (${privateTopic}, 'maks')`
  await expect.poll(client.joined).toEqual(['user_maks', topic])
  await expect.poll(maks.messages).toEqual(['between us'])
  const page = await visitor()
  await page.goto(site.page('plain', { socket: beside.socket, topics: topic, token: token('maks') }))
  const plain = page.locator('#root')
  await expect.poll(() => plain.getAttribute('data-state')).toBe('connected')

  await within(1_000, async () => {
    await demo.sql`DELETE FROM memberships WHERE topic_id = ${privateTopic} AND member = 'maks'`
    await expect.poll(client.denied).toEqual({ [topic]: 'revoked' })
    await expect.poll(() => plain.getAttribute('data-code')).toBe('4403')
    await expect.poll(() => maks.get('closed').getAttribute('data-code')).toBe('revoked')
  })
})
