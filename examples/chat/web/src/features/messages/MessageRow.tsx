import { memo, useLayoutEffect, useRef, useState } from 'react'
import { time } from '../../lib/format'
import { useUser } from '../../user'
import { journey } from '../journey/journey'
import { EditMessage } from './EditMessage'
import { type ShownMessage, useDeleteMessage } from './queries'

interface Props {
  message: ShownMessage
  /** The first of several by the same author, who is named once. */
  first: boolean
}

export const MessageRow = memo(function MessageRow({ message, first }: Props) {
  const user = useUser()
  const row = useRef<HTMLLIElement>(null)
  const [editing, setEditing] = useState(false)
  const { id, author, content, pending = false } = message
  const own = author === user.name

  function endEditing() {
    setEditing(false)
    row.current?.focus() // the field that had it goes away
  }

  // Layout effects run when React has changed the document: the row is there,
  // has its new text, or is gone.
  useLayoutEffect(() => {
    if (pending) return
    const shown = () => journey.shown(user.id, id)
    shown()
    return shown
  }, [user, id, content, pending])

  return (
    <li
      ref={row}
      tabIndex={-1}
      className="message"
      data-testid="message"
      data-message-id={id}
      data-author={author}
      data-own={own}
      data-first={first}
      data-pending={pending}
    >
      {first && (
        <p className="message-meta">
          <b>{author}</b> <time dateTime={message.created_at}>{time(message.created_at)}</time>
        </p>
      )}
      {editing ? (
        <EditMessage message={message} onDone={endEditing} />
      ) : (
        <div className="message-line">
          <p className="bubble" data-testid="message-content">
            {content}
          </p>
          {own && <MessageActions message={message} onEdit={() => setEditing(true)} />}
        </div>
      )}
    </li>
  )
})

function MessageActions({ message, onEdit }: { message: ShownMessage; onEdit(): void }) {
  const remove = useDeleteMessage(message)
  return (
    // There from the beginning, so that the text is not broken anew when they come.
    <span className="message-actions" inert={message.pending === true}>
      <button type="button" className="quiet" data-testid="edit" onClick={onEdit}>
        Edit
      </button>
      <button type="button" className="quiet" data-testid="delete" onClick={remove}>
        Delete
      </button>
    </span>
  )
}
