/** Calls fn once, `ms` after the first of any number of calls. */
export function throttle(fn: () => void, ms: number): () => void {
  let waiting = false
  return () => {
    if (waiting) return
    waiting = true
    setTimeout(() => {
      waiting = false
      fn()
    }, ms)
  }
}
