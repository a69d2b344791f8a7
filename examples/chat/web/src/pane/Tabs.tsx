import { useUser } from '../user'
import { useStaleTabs } from './useStaleTabs'

export const TABS = [
  ['chat', 'Chat'],
  ['projects', 'Projects'],
  ['proposals', 'Proposals'],
  ['analysis', 'Analysis'],
  ['knowledge', 'Knowledge'],
  ['counts', 'Counts'],
] as const

export type TabId = (typeof TABS)[number][0]

export function Tabs({ open, onOpen }: { open: TabId; onOpen(tab: TabId): void }) {
  const { name } = useUser()
  const stale = useStaleTabs()
  return (
    <nav className="tabs" aria-label={`${name}’s sections`} data-testid="tabs">
      {TABS.map(([id, label]) => (
        <button
          key={id}
          type="button"
          data-testid={`tab-${id}`}
          data-stale={stale.includes(id)}
          aria-current={id === open ? 'page' : undefined}
          title={stale.includes(id) ? 'Stale: refetched when it is opened' : undefined}
          onClick={() => onOpen(id)}
        >
          {label}
          {stale.includes(id) && (
            <span className="dot">
              <span className="hidden">, stale</span>
            </span>
          )}
        </button>
      ))}
    </nav>
  )
}
