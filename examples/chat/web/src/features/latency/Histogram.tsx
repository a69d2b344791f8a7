import { ms } from '../../lib/format'
import { useStore } from '../../lib/store'
import { BOUNDS, buckets, latencies, quantile } from './latency'
import './latency.css'

const WIDTH = 360
const HEIGHT = 120
const BAR = WIDTH / (BOUNDS.length + 1)

export function Histogram() {
  const samples = useStore(latencies)
  const counts = buckets(samples)
  const most = Math.max(1, ...counts)
  const p50 = quantile(samples, 0.5)
  const p95 = quantile(samples, 0.95)
  return (
    <section className="card latency" aria-labelledby="latency-title">
      <header className="card-head">
        <h2 id="latency-title">Database to socket</h2>
        <span className="soft" data-testid="latency-count">
          the last {samples.length} events
        </span>
      </header>
      <dl className="quantiles">
        <div>
          <dt>half within</dt>
          <dd data-testid="latency-p50">{p50 === null ? '–' : `${ms(p50)} ms`}</dd>
        </div>
        <div>
          <dt>95 % within</dt>
          <dd data-testid="latency-p95">{p95 === null ? '–' : `${ms(p95)} ms`}</dd>
        </div>
      </dl>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT + 18}`} role="img" data-testid="histogram">
        <title>Milliseconds from an event’s `at` to its arrival at the page. Replayed events are left out.</title>
        <line x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} className="axis" />
        {counts.map((count, i) => (
          <rect
            key={BOUNDS[i] ?? 'more'}
            x={i * BAR + 2}
            width={BAR - 4}
            y={HEIGHT - (count / most) * (HEIGHT - 4)}
            height={(count / most) * (HEIGHT - 4)}
            rx="2"
          />
        ))}
        {BOUNDS.map((bound, i) => (
          <text key={bound} x={(i + 1) * BAR} y={HEIGHT + 14}>
            {bound}
          </text>
        ))}
        <text x={WIDTH} y={HEIGHT + 14} className="unit">
          ms
        </text>
      </svg>
    </section>
  )
}
