import { type KeyboardEvent, type SubmitEvent, useState } from 'react'
import { type ShownMessage, useEditMessage } from './queries'

export function EditMessage({ message, onDone }: { message: ShownMessage; onDone(): void }) {
  const edit = useEditMessage(message)
  const [content, setContent] = useState(message.content)

  function save(event: SubmitEvent) {
    event.preventDefault()
    if (content.trim() && content !== message.content) edit(content, onDone)
    else onDone()
  }

  function cancel(event: KeyboardEvent) {
    if (event.key === 'Escape') onDone()
  }

  return (
    <form className="edit" onSubmit={save}>
      <input
        // biome-ignore lint/a11y/noAutofocus: it takes the place of the text whose button was pressed
        autoFocus
        aria-label="Edit message"
        data-testid="edit-content"
        value={content}
        onChange={e => setContent(e.target.value)}
        onKeyDown={cancel}
      />
      <button type="submit" data-testid="edit-save">
        Save
      </button>
    </form>
  )
}
