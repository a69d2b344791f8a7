import { useEffect, useState } from 'react'

/** How many seconds until then, counted down; null when there is no then. */
export function useSecondsLeft(at: number | null): number | null {
  const [now, setNow] = useState(Date.now)
  const running = at !== null
  useEffect(() => {
    if (!running) return
    const tick = () => setNow(Date.now())
    tick()
    const timer = setInterval(tick, 250)
    return () => clearInterval(timer)
  }, [running])
  return running ? Math.max(0, Math.ceil((at - now) / 1000)) : null
}
