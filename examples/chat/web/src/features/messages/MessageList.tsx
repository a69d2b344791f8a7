import { Failure } from '../../components/Failure'
import { useUser } from '../../user'
import { MessageRow } from './MessageRow'
import { useMessages } from './queries'

/** The newest messages of a topic, the newest at the bottom. */
export function MessageList({ topicId }: { topicId: string }) {
  const { rowKeys } = useUser()
  const { data: page, error } = useMessages(topicId)
  return (
    // Reversed twice: the browser then keeps the newest in sight by itself.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className="messages" role="log" aria-label="Messages" tabIndex={0} data-testid="messages">
      {page && (
        <div className="messages-inner">
          {page.total > page.messages.length && (
            <p className="hint" data-testid="earlier">
              {page.total - page.messages.length} earlier
            </p>
          )}
          <ol data-testid="message-list">
            {page.messages.map((message, i) => (
              <MessageRow
                key={rowKeys.get(message.id) ?? message.id}
                message={message}
                first={page.messages[i - 1]?.author !== message.author}
              />
            ))}
          </ol>
        </div>
      )}
      {page?.total === 0 && <p className="hint">Nothing here yet.</p>}
      {error && <Failure error={error} />}
    </div>
  )
}
