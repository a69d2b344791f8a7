import { hold } from '../../harness/hold.ts'
import { type Pane, Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'
import { token } from '../../harness/token.ts'
import { within } from '../../harness/within.ts'

/** Why the open topic is closed to the user; null while it is not. */
const closed = async ({ get }: Pane): Promise<string | null> =>
  (await get('closed').count()) === 0 ? null : get('closed').getAttribute('data-code')

test('a private topic: who is no member is denied, and hears not a word of it', async ({
  demo,
  page,
  privateTopic,
}) => {
  const panes = await Panes.open(page, demo)
  const { olena, maks, wire } = panes
  await maks.get(`topic-${privateTopic}`).click()
  await expect.poll(() => closed(maks)).toBe('forbidden')
  await expect
    .poll(() => wire.of('$joined').flatMap(frame => Object.entries(frame.payload?.denied ?? {})))
    .toEqual([[`topic_${privateTopic}`, expect.objectContaining({ code: 'forbidden' })]])

  await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${privateTopic}, 'Olena', 'for nobody else')`
  await olena.get(`unread-${privateTopic}`).waitFor()
  await panes.settle()
  expect(wire.frames.filter(frame => frame.text.includes('for nobody else'))).toHaveLength(1)
  expect(await maks.get(`unread-${privateTopic}`).count()).toBe(0)

  const path = `topics/${privateTopic}/messages`
  expect(maks.asked(`/${path}`)).toBe(0)
  for (const headers of [{}, { Authorization: `Bearer ${token('maks')}` }])
    expect((await fetch(`${demo.url}api/${path}`, { headers })).status).toBe(403)
})

test('a private topic: let in without a reload, sent out within a second, and nothing of it is kept', async ({
  demo,
  page,
  privateTopic,
}) => {
  const panes = await Panes.open(page, demo)
  const { olena, maks, wire } = panes
  for (const user of [olena, maks]) await user.get(`topic-${privateTopic}`).click()
  await expect.poll(() => closed(maks)).toBe('forbidden')

  await olena.get('add-maks').click()
  await within(1_000, () => expect.poll(maks.messages).toEqual(['between us']))
  await maks.send('thank you')
  await expect.poll(olena.messages).toEqual(['between us', 'thank you'])

  await within(1_000, async () => {
    await demo.sql`DELETE FROM memberships WHERE topic_id = ${privateTopic} AND member = 'maks'`
    await expect.poll(() => closed(maks)).toBe('revoked')
  })
  expect(await maks.messages()).toEqual([])
  expect(await maks.get('composer').count()).toBe(0)
  await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${privateTopic}, 'Olena', 'is he gone?')`
  await expect.poll(olena.messages).toEqual(['between us', 'thank you', 'is he gone?'])
  await panes.settle()
  expect(wire.frames.filter(frame => frame.text.includes('is he gone?'))).toHaveLength(1)

  // Had the cache kept anything, it would be there before the API answers.
  const answer = await hold(page, `**/api/topics/${privateTopic}/messages*`)
  await demo.sql`INSERT INTO memberships VALUES (${privateTopic}, 'maks')`
  await expect.poll(() => closed(maks)).toBe(null)
  expect(await maks.messages()).toEqual([])
  answer()
  await expect.poll(maks.messages).toEqual(['between us', 'thank you', 'is he gone?'])
  expect(wire.connections).toBe(2)

  await olena.get('remove-maks').click()
  await within(1_000, () => expect.poll(() => closed(maks)).toBe('revoked'))
})

test('a topic that nobody can judge now stays on the screen, and is joined again', async ({ demo, page }) => {
  const { olena, maks, wire } = await Panes.open(page, demo)
  const rows = async (): Promise<number[]> => [(await olena.messages()).length, (await maks.messages()).length]
  const before = await rows()
  expect(before).not.toContain(0)
  wire.inject('{"type":"$left","payload":{"topics":["topic_7"],"code":"unavailable"}}')
  await page.clock.fastForward(2_000)
  await expect.poll(() => wire.of('$joined').length).toBe(1)
  expect(await rows()).toEqual(before)
  for (const user of [olena, maks]) expect(await closed(user)).toBe(null)
})

test('signed out: everything is left and the cache is empty; signed in, all is fetched again', async ({
  demo,
  page,
  topic,
}) => {
  const { olena, maks, wire } = await Panes.open(page, demo)
  for (const user of [olena, maks]) await user.openTopic(topic)
  await maks.get('sign-out').click()
  await maks.get('signed-out').waitFor()
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'while he was away')`
  await expect.poll(olena.messages).toEqual(['while he was away'])
  expect(wire.frames.filter(frame => frame.text.includes('while he was away'))).toHaveLength(1)

  const answer = await hold(page, '**/api/topics')
  await maks.get('sign-in').click()
  await maks.get('topics').waitFor()
  expect(await maks.get('topics').locator('button').count()).toBe(0)
  answer()
  await expect.poll(maks.state).toBe('connected')
  await maks.get(`topic-${topic}`).click()
  await expect.poll(maks.messages).toEqual(['while he was away'])
  expect(maks.asked(`/topics/${topic}/messages`)).toBe(2)
  expect(wire.connections).toBe(3)
})
