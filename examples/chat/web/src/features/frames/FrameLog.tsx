import { memo } from 'react'
import { clockMs } from '../../lib/format'
import { useStore } from '../../lib/store'
import { USERS } from '../../user'
import { frames, type LoggedFrame } from './frames'
import './frames.css'

export function FrameLog() {
  const log = useStore(frames.log)
  return (
    <section className="card log" aria-labelledby="log-title">
      <header className="card-head">
        <h2 id="log-title">On the wire</h2>
        <span className="soft" data-testid="frame-count">
          the last {log.length} frames
        </span>
        <button type="button" className="quiet" data-testid="frames-clear" onClick={frames.clear}>
          Clear
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <ol className="frames" data-testid="frames" tabIndex={0} aria-label="Frames, the newest first">
        {log.toReversed().map(frame => (
          <FrameRow key={frame.n} frame={frame} />
        ))}
      </ol>
    </section>
  )
}

const FrameRow = memo(function FrameRow({ frame: { at, user, sent, data } }: { frame: LoggedFrame }) {
  const { type, text } = read(data)
  return (
    <li data-testid="frame" data-type={type} data-user={user} data-sent={sent}>
      <details>
        <summary>
          <time>{clockMs(at)}</time>
          <span className="who" data-user={user}>
            {USERS[user]} <span aria-hidden="true">{sent ? '→' : '←'}</span>
            <span className="hidden">{sent ? 'sent' : 'received'}</span>
          </span>
          <b>{type}</b>
          <span className="frame-text">{text}</span>
        </summary>
        <pre>{data}</pre>
      </details>
    </li>
  )
})

/** The type, and the rest on a line. */
function read(data: string): { type: string; text: string } {
  const type = /"type":"([^"]*)"/.exec(data)?.[1] ?? '?'
  const payload = data.indexOf('"payload":')
  return { type, text: payload < 0 ? data : data.slice(payload + 10, -1) }
}
