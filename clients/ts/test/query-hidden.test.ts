// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { after, setup } from './query-harness.js'

let visibility: DocumentVisibilityState = 'visible'
Object.defineProperty(document, 'visibilityState', { get: () => visibility })

function turn(state: DocumentVisibilityState) {
  visibility = state
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  turn('visible')
  vi.useRealTimers()
})

describe('a hidden tab', () => {
  it('marks, and fetches once when it is visible', async () => {
    const page = await setup()
    await page.quiet()
    turn('hidden')
    for (let i = 0; i < 20; i++) {
      page.write()
      await after(1000)
    }
    expect(page.api.requests).toHaveLength(0)
    expect(page.state.isInvalidated).toBe(true)
    turn('visible')
    await after(1000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.data).toHaveLength(20)
  })

  it('marks after the fetch that was running', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    turn('hidden')
    page.write()
    await after(1000)
    expect(page.state.isInvalidated).toBe(true)
    turn('visible')
    await after(1000)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(2)
  })

  it('is no longer listened to when nothing is bound and nothing owed', async () => {
    const added = vi.spyOn(document, 'addEventListener')
    const removed = vi.spyOn(document, 'removeEventListener')
    const page = await setup()
    await page.quiet()
    turn('hidden')
    page.write()
    page.unbind()
    await after(1000)
    expect(added).toHaveBeenCalledTimes(1)
    expect(removed).not.toHaveBeenCalled()
    turn('visible')
    await after(1000)
    expect(page.data).toEqual([0])
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })
})
