import { Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'

interface Change {
  type: string
  statement: () => Promise<unknown>
}

test('row 4: message_created, message_updated, message_deleted → messages', async ({ demo, page, topic }) => {
  const { olena } = await Panes.open(page, demo)
  await olena.openTopic(topic)
  const path = `/topics/${topic}/messages`
  expect(olena.asked(path)).toBe(1)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'first')`
  await expect.poll(olena.messages).toEqual(['first'])
  await demo.sql`UPDATE messages SET content = 'second' WHERE topic_id = ${topic}`
  await expect.poll(olena.messages).toEqual(['second'])
  await demo.sql`DELETE FROM messages WHERE topic_id = ${topic}`
  await expect.poll(olena.messages).toEqual([])
  expect(olena.asked(path)).toBe(4)
})

test('row 4: project_* → projects, analysis_* → runs, proposal_* → proposals, knowledge_* → atoms', async ({
  demo: { sql },
  demo,
  page,
}) => {
  const { olena, wire } = await Panes.open(page, demo)
  const lists: Record<string, { shows: string; path: string; changes: Change[] }> = {
    projects: {
      shows: 'projects',
      path: '/projects',
      changes: [
        { type: 'project_created', statement: () => sql`INSERT INTO projects (name) VALUES ('row 4')` },
        { type: 'project_updated', statement: () => sql`UPDATE projects SET archived = true WHERE name = 'row 4'` },
        { type: 'project_deleted', statement: () => sql`DELETE FROM projects WHERE name = 'row 4'` },
      ],
    },
    analysis: {
      shows: 'runs',
      path: '/analysis/runs',
      changes: [
        { type: 'analysis_started', statement: () => sql`INSERT INTO analysis_runs (error) VALUES ('row 4')` },
        {
          type: 'analysis_completed',
          statement: () => sql`UPDATE analysis_runs SET status = 'completed' WHERE error = 'row 4'`,
        },
      ],
    },
    proposals: {
      shows: 'proposals',
      path: '/proposals',
      changes: [
        { type: 'proposal_created', statement: () => sql`INSERT INTO proposals (title) VALUES ('row 4')` },
        {
          type: 'proposal_approved',
          statement: () => sql`UPDATE proposals SET status = 'approved' WHERE title = 'row 4'`,
        },
        {
          type: 'proposal_rejected',
          statement: () => sql`UPDATE proposals SET status = 'rejected' WHERE title = 'row 4'`,
        },
      ],
    },
    knowledge: {
      shows: 'atoms',
      path: '/knowledge/atoms',
      changes: [
        { type: 'knowledge_created', statement: () => sql`INSERT INTO knowledge_atoms (title) VALUES ('row 4')` },
        {
          type: 'knowledge_updated',
          statement: () => sql`UPDATE knowledge_atoms SET content = 'more' WHERE title = 'row 4'`,
        },
      ],
    },
  }
  for (const [tab, { shows, path, changes }] of Object.entries(lists)) {
    await olena.open(tab, shows)
    expect(olena.asked(path)).toBe(1)
    for (const [i, { type, statement }] of changes.entries()) {
      await statement()
      await expect.poll(() => olena.asked(path), { message: type }).toBe(2 + i)
      await expect.poll(() => wire.of(type).length, { message: type }).toBe(2) // one for each user
    }
  }
})

test('row 4: a type that is not in the map invalidates nothing', async ({ demo, page }) => {
  const panes = await Panes.open(page, demo)
  const { olena, wire } = panes
  await olena.open('proposals', 'proposals')
  await demo.sql`UPDATE proposals SET title = 'another title' WHERE id = 1`
  await demo.sql`SELECT rowcast.emit('cake_served', '{"floor":3}', array['proposals'])`
  await panes.settle()
  expect(wire.of('proposal_updated')).toHaveLength(2) // one for each user
  expect(wire.of('cake_served')).toHaveLength(2)
  expect(olena.asked('/proposals')).toBe(1)
})

test('row 5: only the page of the topic whose id the payload says is refetched', async ({ demo, page, topic }) => {
  const panes = await Panes.open(page, demo)
  const { olena, maks, wire } = panes
  await olena.openTopic(topic)
  await maks.openTopic('1')
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'here')`
  await panes.settle()
  await expect.poll(olena.messages).toEqual(['here'])

  expect(wire.of('message_created')).toHaveLength(2) // Maks hears of it, too, through the topic "messages"
  expect([olena.asked(`/topics/${topic}/messages`), olena.asked('/topics/1/messages')]).toEqual([2, 0])
  expect([maks.asked(`/topics/${topic}/messages`), maks.asked('/topics/1/messages')]).toEqual([0, 1])
})

test('row 8: what nobody looks at is marked stale, and fetched once when the user comes back', async ({
  demo,
  page,
  topic,
}) => {
  const { olena, maks, wire } = await Panes.open(page, demo)
  for (const pane of [olena, maks]) await pane.open('projects', 'projects')
  await olena.get('tab-chat').click()
  await olena.openTopic(topic)
  const stale = (): Promise<string | null> => olena.get('tab-projects').getAttribute('data-stale')
  expect(await stale()).toBe('false')

  for (const name of ['one', 'two', 'row 8']) await demo.sql`INSERT INTO projects (name) VALUES (${name})`
  await expect.poll(stale).toBe('true')
  await expect.poll(() => maks.get('projects-row').last().textContent()).toBe('row 8')
  expect(wire.of('project_created')).toHaveLength(6)
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'fetched after them')`
  await expect.poll(olena.messages).toEqual(['fetched after them'])
  expect(olena.asked('/projects')).toBe(1)

  await olena.get('tab-projects').click()
  await expect.poll(() => olena.get('projects-row').last().textContent()).toBe('row 8')
  expect(await stale()).toBe('false')
  expect(olena.asked('/projects')).toBe(2)
})

test('row 9: one event refetches the list, the detail and the dashboard', async ({ demo, page }) => {
  const [project] = await demo.sql<{ id: string }>`INSERT INTO projects (name) VALUES ('row 9') RETURNING id`
  const id = project?.id ?? ''
  const { olena, maks } = await Panes.open(page, demo)
  await olena.open('projects', `project-${id}`)
  await olena.get(`project-${id}`).click()
  const detail = olena.get('project-detail-name')
  await expect.poll(() => detail.textContent()).toBe('row 9')
  await maks.open('counts', 'count-projects')
  const count = (): Promise<number> => maks.get('count-projects').textContent().then(Number)
  await expect.poll(count).toBeGreaterThan(0)
  const [lists, counts] = [olena.asked('/projects'), maks.asked('/dashboard')]

  await demo.sql`UPDATE projects SET name = 'renamed' WHERE id = ${id}`
  await expect.poll(() => detail.textContent()).toBe('renamed')
  await expect.poll(() => olena.get(`project-${id}`).textContent()).toBe('renamed')
  expect([olena.asked('/projects'), olena.asked(`/projects/${id}`)]).toEqual([lists + 1, 2])

  const before = await count()
  await demo.sql`DELETE FROM projects WHERE id = ${id}`
  await expect.poll(() => olena.get(`project-${id}`).count()).toBe(0)
  await expect.poll(count).toBe(before - 1)
  expect([olena.asked('/projects'), maks.asked('/dashboard')]).toEqual([lists + 2, counts + 1])
})

test('row 12: payload.changed is a boolean: an update that changed nothing refetches nothing', async ({
  demo: { sql },
  demo,
  onTestFinished,
  page,
}) => {
  await sql`SELECT rowcast.watch('knowledge_atoms', 'topic_id', topics => array['knowledge'], entity => 'knowledge', unchanged => true)`
  onTestFinished(async () => {
    await sql`SELECT rowcast.watch('knowledge_atoms', 'topic_id', topics => array['knowledge'], entity => 'knowledge')`
  })
  const panes = await Panes.open(page, demo)
  const { olena, wire } = panes
  await olena.open('knowledge', 'atoms')
  const changed = (): unknown[] => wire.of('knowledge_updated').map(frame => frame.payload?.changed)

  await sql`UPDATE knowledge_atoms SET content = content WHERE id = 1`
  await panes.settle()
  expect(changed()).toEqual([false, false]) // for each of the users
  expect(olena.asked('/knowledge/atoms')).toBe(1)

  await sql`UPDATE knowledge_atoms SET content = 'something else' WHERE id = 1`
  await expect.poll(() => olena.get('atom-1-content').textContent()).toBe('something else')
  expect(changed().slice(2)).toContain(true)
  expect(olena.asked('/knowledge/atoms')).toBe(2)
})
