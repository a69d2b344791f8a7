import { useState } from 'react'
import { Analysis } from '../features/analysis/Analysis'
import { useRunToasts } from '../features/analysis/useRunToasts'
import { Dashboard } from '../features/dashboard/Dashboard'
import { useProbe } from '../features/journey/useProbe'
import { KnowledgeAtoms } from '../features/knowledge/KnowledgeAtoms'
import { Chat } from '../features/messages/Chat'
import { Projects } from '../features/projects/Projects'
import { Proposals } from '../features/proposals/Proposals'
import { Toasts } from '../features/toasts/Toasts'
import { useUnread } from '../features/topics/useUnread'
import { ConnectionBadge } from '../features/websocket/ConnectionBadge'
import { useServerEvents } from '../features/websocket/hooks/useServerEvents'
import { useUser } from '../user'
import { PaneLab } from './PaneLab'
import { type TabId, Tabs } from './Tabs'
import './pane.css'

/** One user's application. */
export function Pane() {
  const { name } = useUser()
  const [tab, setTab] = useState<TabId>('chat')
  const [topicId, setTopicId] = useState('7')
  const [runId, setRunId] = useState<string | null>(null)
  const { unread, read } = useUnread(topicId)
  const { connectionState, nextRetryAt, retry } = useServerEvents(topicId)
  useProbe()
  useRunToasts(id => {
    setTab('analysis')
    setRunId(id)
  })

  function openTopic(id: string) {
    setTopicId(id)
    read(id)
  }

  return (
    <>
      <header className="pane-head">
        <span className="face" aria-hidden="true">
          {name[0]}
        </span>
        <h2>{name}</h2>
        <ConnectionBadge state={connectionState} nextRetryAt={nextRetryAt} onRetry={retry} />
      </header>
      <Tabs open={tab} onOpen={setTab} />
      <div className="pane-body" data-testid={`panel-${tab}`}>
        {tab === 'chat' && <Chat topicId={topicId} unread={unread} onOpen={openTopic} />}
        {tab === 'projects' && <Projects />}
        {tab === 'proposals' && <Proposals topicId={topicId} />}
        {tab === 'analysis' && <Analysis topicId={topicId} open={runId} onOpen={setRunId} />}
        {tab === 'knowledge' && <KnowledgeAtoms topicId={topicId} />}
        {tab === 'counts' && <Dashboard />}
      </div>
      <Toasts />
      <PaneLab topicId={topicId} />
    </>
  )
}
