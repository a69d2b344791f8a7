import { createStore } from '../../lib/store'
import { throttle } from '../../lib/throttle'

const KEEP = 1000

/** From the change in the database to a socket of this page, in ms. */
export const latencies = createStore<readonly number[]>([])

let incoming: number[] = []
const show = throttle(() => {
  latencies.set([...latencies.get(), ...incoming].slice(-KEEP))
  incoming = []
}, 250)

export function addLatency(ms: number) {
  incoming.push(ms)
  show()
}

/** Upper ends of the histogram's bars; the last has none. */
export const BOUNDS = [1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 250]

export function buckets(samples: readonly number[]): number[] {
  const counts = new Array<number>(BOUNDS.length + 1).fill(0)
  for (const ms of samples) {
    const i = BOUNDS.findIndex(bound => ms < bound)
    const bucket = i < 0 ? BOUNDS.length : i
    counts[bucket] = (counts[bucket] ?? 0) + 1
  }
  return counts
}

export function quantile(samples: readonly number[], q: number): number | null {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? null
}
