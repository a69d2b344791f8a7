import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'

test('own echo: an event knows whose mutation it is', async ({ demo, site, topic, visitor }) => {
  const olena = await Remote.open(await visitor(), site, { url: demo.socket })
  const maks = await Remote.open(await visitor(), site, { url: demo.socket })
  for (const user of [olena, maks]) await user.join(`topic_${topic}`)

  const write = (content: string, mutation: string): Promise<unknown> =>
    demo.sql`INSERT INTO messages (topic_id, content) SELECT ${topic}, ${content} FROM set_config('rowcast.mutation_id', ${mutation}, true)`
  await write('from olena', await olena.page.evaluate(() => window.probe.client.newMutationId()))
  await write('from maks', await maks.page.evaluate(() => window.probe.client.newMutationId()))
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'from nobody')`

  for (const user of [olena, maks]) await expect.poll(user.contents).toEqual(['from olena', 'from maks', 'from nobody'])
  expect(await olena.own()).toEqual([true, false, false])
  expect(await maks.own()).toEqual([false, true, false])
})
