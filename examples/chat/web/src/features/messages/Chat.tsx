import { useTopics } from '../topics/queries'
import { TopicList } from '../topics/TopicList'
import { Composer } from './Composer'
import { MessageList } from './MessageList'
import './messages.css'

interface Props {
  topicId: string
  unread: ReadonlySet<string>
  onOpen(topicId: string): void
}

export function Chat({ topicId, unread, onOpen }: Props) {
  const { data: topics } = useTopics()
  const title = topics?.find(t => t.id === topicId)?.title ?? `topic ${topicId}`
  return (
    <div className="chat">
      <TopicList open={topicId} unread={unread} onOpen={onOpen} />
      <div className="conversation">
        <MessageList key={topicId} topicId={topicId} />
        <Composer key={`composer-${topicId}`} topicId={topicId} title={title} />
      </div>
    </div>
  )
}
