import { type SubmitEvent, useState } from 'react'
import { useUser } from '../../user'
import { useSendMessage } from './queries'

const LONGEST = 500 // the server refuses more

export function Composer({ topicId, title }: { topicId: string; title: string }) {
  const { name } = useUser()
  const send = useSendMessage(topicId)
  const [content, setContent] = useState('')
  const over = [...content].length - LONGEST

  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (!content.trim()) return
    send(content, () => setContent(newer => newer || content)) // refused: the words are not lost
    setContent('')
  }

  return (
    <form className="composer" onSubmit={submit}>
      <input
        aria-label={`Message to ${title}`}
        placeholder={`Message ${title} as ${name}`}
        autoComplete="off"
        enterKeyHint="send"
        data-testid="composer"
        value={content}
        onChange={e => setContent(e.target.value)}
      />
      {over > 0 && <span className="over">{over} too many</span>}
      <button type="submit" className="primary" data-testid="send">
        Send
      </button>
    </form>
  )
}
