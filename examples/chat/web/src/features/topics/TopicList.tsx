import { Lock } from '../../components/Lock'
import { useUser } from '../../user'
import { useTopics } from './queries'

interface Props {
  open: string
  unread: ReadonlySet<string>
  onOpen(topicId: string): void
}

export function TopicList({ open, unread, onOpen }: Props) {
  const { name } = useUser()
  const { data: topics = [] } = useTopics()
  return (
    <nav className="topics" aria-label={`${name}’s topics`} data-testid="topics">
      <ul>
        {topics.map(({ id, title, private: isPrivate }) => (
          <li key={id}>
            <button
              type="button"
              data-testid={`topic-${id}`}
              data-unread={unread.has(id)}
              aria-current={id === open ? 'page' : undefined}
              onClick={() => onOpen(id)}
            >
              {title}
              {isPrivate && <Lock />}
              {unread.has(id) && (
                <span className="dot" data-testid={`unread-${id}`}>
                  <span className="hidden">, unread</span>
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  )
}
