import { useState } from 'react'
import { Notice } from '../components/Notice'
import { Analysis } from '../features/analysis/Analysis'
import { useRunToasts } from '../features/analysis/useRunToasts'
import { Dashboard } from '../features/dashboard/Dashboard'
import { useProbe } from '../features/journey/useProbe'
import { KnowledgeAtoms } from '../features/knowledge/KnowledgeAtoms'
import { useAccess } from '../features/members/queries'
import { Chat } from '../features/messages/Chat'
import { Projects } from '../features/projects/Projects'
import { Proposals } from '../features/proposals/Proposals'
import { Toasts } from '../features/toasts/Toasts'
import { useJoined } from '../features/topics/queries'
import { useUnread } from '../features/topics/useUnread'
import { ConnectionBadge } from '../features/websocket/ConnectionBadge'
import { useServerEvents } from '../features/websocket/hooks/useServerEvents'
import { useStore } from '../lib/store'
import { useUser } from '../user'
import { PaneHead } from './PaneHead'
import { PaneLab } from './PaneLab'
import { type TabId, Tabs } from './Tabs'
import './pane.css'

/** One user's application. */
export function Pane() {
  const { session } = useUser()
  return useStore(session.signedIn) ? <SignedIn /> : <SignedOut />
}

function SignedIn() {
  const { client, queryClient, session } = useUser()
  const [tab, setTab] = useState<TabId>('chat')
  const [topicId, setTopicId] = useState('7')
  const [runId, setRunId] = useState<string | null>(null)
  const joined = useJoined(topicId)
  const { unread, read } = useUnread(topicId, joined)
  const { connectionState, nextRetryAt, retry } = useServerEvents(joined)
  const closed = useAccess()
  useProbe(joined)
  useRunToasts(id => {
    setTab('analysis')
    setRunId(id)
  })

  function openTopic(id: string) {
    setTopicId(id)
    read(id)
  }

  function signOut() {
    session.signOut()
    client.authChanged() // leaves everything
    queryClient.clear()
  }

  return (
    <>
      <PaneHead button="Sign out" testId="sign-out" onClick={signOut}>
        <ConnectionBadge state={connectionState} nextRetryAt={nextRetryAt} onRetry={retry} />
      </PaneHead>
      <Tabs open={tab} onOpen={setTab} />
      <div className="pane-body" data-testid={`panel-${tab}`}>
        {tab === 'chat' && <Chat topicId={topicId} unread={unread} closed={closed} onOpen={openTopic} />}
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

function SignedOut() {
  const { name, session } = useUser()
  return (
    <>
      <PaneHead button="Sign in" testId="sign-in" onClick={session.signIn} />
      <Notice testId="signed-out" title={`${name} is signed out`}>
        <p>Nothing is joined, nothing is cached. This demo asks for no password.</p>
      </Notice>
    </>
  )
}
