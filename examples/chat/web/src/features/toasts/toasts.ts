import { createStore } from '../../lib/store'

export interface Toast {
  id: number
  kind: 'plain' | 'done' | 'failed'
  text: string
  action?: { label: string; run(): void }
}

const STAY_MS = 8000
const MOST = 3

/** One user's toasts: the newest few, each for a while. */
export function toastRack() {
  const shown = createStore<readonly Toast[]>([])
  let last = 0
  const dismiss = (id: number) => shown.set(shown.get().filter(t => t.id !== id))
  return {
    shown,
    dismiss,
    add(toast: Omit<Toast, 'id'>) {
      const id = ++last
      shown.set([...shown.get(), { ...toast, id }].slice(-MOST))
      setTimeout(dismiss, STAY_MS, id)
    },
  }
}
