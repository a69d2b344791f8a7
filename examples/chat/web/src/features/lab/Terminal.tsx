import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

const STATEMENTS: [string, string][] = [
  [
    'edit the last message',
    "UPDATE messages SET content = content || '!' WHERE id = (SELECT max(id) FROM messages WHERE topic_id = 7)",
  ],
  [
    'move it to topic 1',
    'UPDATE messages SET topic_id = 1 WHERE id = (SELECT max(id) FROM messages WHERE topic_id = 7)',
  ],
  ['delete the last message', 'DELETE FROM messages WHERE id = (SELECT max(id) FROM messages WHERE topic_id = 7)'],
  [
    'write fifty in one transaction',
    "INSERT INTO messages (topic_id, content) SELECT 7, 'message ' || n FROM generate_series(1, 50) n",
  ],
  ['let Maks into Salaries', "INSERT INTO memberships VALUES (8, 'maks')"],
  ['send Maks out of it', "DELETE FROM memberships WHERE member = 'maks'"],
  [
    'send an event that is no row',
    "SELECT rowcast.emit('cake_served', jsonb_build_object('floor', 3), array['topic_7'])",
  ],
]

interface Demo {
  psql: string
  insert: string
}

/** The line to paste into a terminal. */
export function Terminal() {
  const { data } = useQuery({
    queryKey: ['demo'],
    queryFn: async ({ signal }) => (await (await fetch('/api/demo', { signal })).json()) as Demo,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const [chosen, setChosen] = useState(0)
  const [copied, setCopied] = useState(false)
  const statements: [string, string][] = [['write a message', data?.insert ?? ''], ...STATEMENTS]
  const line = data?.psql.replace(data.insert, () => statements[chosen]?.[1] ?? '') ?? ''

  async function copy() {
    if (!navigator.clipboard) return // a page that is neither https nor loopback has none
    await navigator.clipboard.writeText(line)
    setCopied(true)
    setTimeout(setCopied, 1500, false)
  }

  return (
    <section className="terminal" aria-labelledby="terminal-title">
      <header className="stage-head">
        <h2 id="terminal-title">In a terminal</h2>
        <select
          aria-label="What to do in the terminal"
          data-testid="statement"
          value={chosen}
          onChange={e => setChosen(Number(e.target.value))}
        >
          {statements.map(([label], i) => (
            <option key={label} value={i}>
              {label}
            </option>
          ))}
        </select>
        <button type="button" data-testid="copy" onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </header>
      <code data-testid="psql-line">{line}</code>
    </section>
  )
}
