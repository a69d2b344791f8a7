import { Panes } from '../../harness/panes.ts'
import { expect, test } from '../../harness/test.ts'

test('row 7: toasts: started and completed lead to the run, failed says why; its own author is not told', async ({
  demo,
  page,
}) => {
  const { olena, maks } = await Panes.open(page, demo)
  await maks.open('analysis', 'runs')
  const start = async (): Promise<string> => {
    const runs = await maks.get('runs-row').count()
    await maks.get('run-start').click()
    await expect.poll(() => maks.get('runs-row').count()).toBe(runs + 1)
    const [run] = await demo.sql<{ id: string }>`SELECT max(id) AS id FROM analysis_runs`
    return run?.id ?? ''
  }
  const toast = (text: string) => olena.get('toast').filter({ hasText: text })

  const first = await start()
  const second = await start()
  await toast(`Analysis ${second} started`).waitFor()
  await toast(`Analysis ${first} started`).getByTestId('toast-action').click()
  await expect.poll(() => olena.get('run-detail').getAttribute('data-id')).toBe(first)

  await maks.get(`run-${second}`).click()
  await maks.get('run-complete').click()
  await toast(`Analysis ${second} completed`).getByTestId('toast-action').click()
  await expect.poll(() => olena.get('run-detail').getAttribute('data-id')).toBe(second)
  await expect.poll(() => olena.get('run-detail').getAttribute('data-status')).toBe('completed')

  await maks.get(`run-${first}`).click()
  await maks.get('run-fail').click()
  await toast(`Analysis ${first} failed: out of memory`).waitFor()
  await expect.poll(() => maks.get('run-detail').getAttribute('data-status')).toBe('failed')
  for (const run of [first, second]) expect(await maks.toasts()).not.toContainEqual(expect.stringContaining(` ${run} `))
})

test('row 14: analysis_failed from rowcast.emit(), without a row', async ({ demo, page }) => {
  const { olena, wire } = await Panes.open(page, demo)
  await demo.sql`SELECT rowcast.emit('analysis_failed', '{"run_id":"4711","error":"the disk is full"}', array['analysis'])`
  await expect.poll(olena.toasts).toContain('Analysis 4711 failed: the disk is full')
  const [frame] = wire.of('analysis_failed')
  expect(JSON.parse(frame?.text ?? '')).toMatchObject({
    op: 'emit',
    payload: { run_id: '4711', error: 'the disk is full' },
  })
})

test('row 14: analysis_failed as a derived type of an update', async ({ demo, page }) => {
  const { olena, wire } = await Panes.open(page, demo)
  const [run] = await demo.sql<{ id: string }>`INSERT INTO analysis_runs DEFAULT VALUES RETURNING id`
  await demo.sql`UPDATE analysis_runs SET status = 'failed', error = 'out of patience' WHERE id = ${run?.id}`
  await expect.poll(olena.toasts).toContain(`Analysis ${run?.id} failed: out of patience`)
  const [frame] = wire.of('analysis_failed')
  expect(JSON.parse(frame?.text ?? '')).toMatchObject({
    op: 'update',
    payload: { run_id: run?.id, error: 'out of patience' },
  })
})
