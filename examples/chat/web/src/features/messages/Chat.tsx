import { Closed } from '../members/Closed'
import { Members } from '../members/Members'
import { useTopics } from '../topics/queries'
import { TopicList } from '../topics/TopicList'
import { Composer } from './Composer'
import { MessageList } from './MessageList'
import './messages.css'

interface Props {
  topicId: string
  unread: ReadonlySet<string>
  closed: ReadonlyMap<string, string>
  onOpen(topicId: string): void
}

export function Chat({ topicId, unread, closed, onOpen }: Props) {
  const { data: topics } = useTopics()
  const topic = topics?.find(t => t.id === topicId)
  const title = topic?.title ?? `topic ${topicId}`
  // The daemon says it first, when somebody is removed; the API, when nobody has asked the daemon yet.
  const code = closed.get(topicId) ?? (topic?.allowed === false && 'forbidden')
  return (
    <div className="chat">
      <TopicList open={topicId} unread={unread} onOpen={onOpen} />
      {code ? (
        <Closed topicId={topicId} title={title} code={code} />
      ) : (
        <div className="conversation">
          {topic?.private && <Members topicId={topicId} />}
          <MessageList key={topicId} topicId={topicId} />
          <Composer key={`composer-${topicId}`} topicId={topicId} title={title} />
        </div>
      )}
    </div>
  )
}
