import { Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'

test("row 13: user A edits, user B's page refetches: two browsers, one database", async ({ demo, topic, visitor }) => {
  await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${topic}, 'Olena', 'On Friday')`
  const a = (await Panes.open(await visitor(), demo)).olena
  const b = (await Panes.open(await visitor(), demo)).maks
  for (const user of [a, b]) {
    await user.openTopic(topic)
    await expect.poll(user.messages).toEqual(['On Friday'])
  }
  const asked = b.asked(`/topics/${topic}/messages`)

  await a.get('edit').click()
  await a.get('edit-content').fill('On Tuesday')
  await a.get('edit-save').click()
  await expect.poll(b.messages).toEqual(['On Tuesday'])
  expect(b.asked(`/topics/${topic}/messages`)).toBe(asked + 1)
  expect(await a.messages()).toEqual(['On Tuesday'])
})
