import { type SubmitEvent, useState } from 'react'

interface Props {
  label: string
  button: string
  testId: string
  onAdd(text: string): void
}

/** One line and a button. */
export function AddForm({ label, button, testId, onAdd }: Props) {
  const [text, setText] = useState('')

  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (!text.trim()) return
    onAdd(text.trim())
    setText('')
  }

  return (
    <form className="add" onSubmit={submit}>
      <input
        aria-label={label}
        placeholder={label}
        autoComplete="off"
        data-testid={testId}
        value={text}
        onChange={e => setText(e.target.value)}
      />
      <button type="submit" data-testid={`${testId}-add`}>
        {button}
      </button>
    </form>
  )
}
