import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decode, matcher, verdict } from '../src/protocol.js'

const repository = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, repository), 'utf8')

/** The frames that the Go tests hold the daemon to. */
function golden(folder: string) {
  const names = readdirSync(new URL(folder, repository)).filter(name => name.endsWith('.json'))
  return names.flatMap(name =>
    read(`${folder}/${name}`)
      .trim()
      .split('\n')
      .map((line, i) => ({ name: `${name}:${i + 1}`, line })),
  )
}

describe("the daemon's events", () => {
  test.each(golden('bridge/testdata/frames'))('$name', ({ line }) => {
    expect(decode(line)).toEqual({ kind: 'event', event: JSON.parse(line) })
  })
})

describe("the daemon's control frames", () => {
  /** How each of them is read; one that is not here is one that the client has never heard of. */
  const readings: Record<string, object> = {
    $welcome: { kind: '$welcome', heartbeatMs: 25_000 },
    $joined: { kind: '$joined', topics: expect.any(Array), denied: expect.any(Map), cursor: expect.any(String) },
    $left: { kind: '$left', topics: ['topic_7'] },
    $error: {
      kind: '$error',
      error: { code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/./) },
    },
    $ping: { kind: '$ping', cursor: 'BHRlc3Rn' },
    $pong: { kind: '$pong' },
    $authed: { kind: '$authed' },
    $token_expiring: { kind: '$token_expiring' },
    $resync: { kind: '$resync', topics: [expect.any(String)], reason: expect.stringMatching(/./), spreadMs: 3000 },
    $bye: { kind: '$bye', reconnect: true, retryAfterMs: 1400 },
  }
  const frames = golden('rooms/testdata/frames')

  test.each(frames)('$name', ({ line }) => {
    const { type } = JSON.parse(line)
    expect(readings).toHaveProperty([type])
    expect(decode(line)).toMatchObject(readings[type] ?? {})
  })

  test('there is a golden frame for each of them', () => {
    expect(new Set(frames.map(f => JSON.parse(f.line).type))).toEqual(new Set(Object.keys(readings)))
  })

  test('what a join was answered', () => {
    const line = (name: string) => decode(frames.find(f => f.name.startsWith(name))?.line)
    expect(line('joined_recovered')).toMatchObject({ ref: 3, recovered: true })
    expect(line('joined_lost')).toMatchObject({ ref: 4, recovered: false })
    expect(line('joined.json')).toMatchObject({ ref: 2, recovered: true, denied: new Map() })
    expect(line('joined_denied')).toMatchObject({
      denied: new Map([['bad topic', { code: 'bad_topic', message: 'not a topic name' }]]),
    })
  })
})

describe('what nobody has checked', () => {
  test.each([
    ['no text', new Uint8Array([123, 125])],
    ['nothing', ''],
    ['no JSON', '{"type":'],
    ['no object', '[1]'],
    ['null', 'null'],
    ['no type', '{"payload":{}}'],
    ['an empty type', '{"type":"","payload":{}}'],
    ['a type that is no text', '{"type":7,"payload":{}}'],
    ['no payload', '{"type":"message_created","topics":["t"]}'],
    ['a payload that is no object', '{"type":"message_created","topics":["t"],"payload":[]}'],
    ['no topics', '{"type":"message_created","payload":{}}'],
    ['topics that are no list', '{"type":"message_created","topics":"t","payload":{}}'],
    ['an id that is no text', '{"type":"message_created","topics":["t"],"payload":{},"id":7}'],
    ['a cursor that is no text', '{"type":"message_created","topics":["t"],"payload":{},"cursor":{}}'],
  ])('%s is no frame', (_, data) => {
    expect(decode(data)).toBeUndefined()
  })

  test('an unknown control frame is one, and means nothing', () => {
    expect(decode('{"type":"$new","payload":{}}')).toMatchObject({ kind: '$new' })
  })

  test('wrong fields of a control frame are as good as missing', () => {
    const joined = { topics: ['a', 7, null], denied: { b: 'x', c: { code: 'forbidden' } }, cursor: 7, recovered: 1 }
    expect(decode(JSON.stringify({ type: '$joined', ref: {}, payload: joined }))).toMatchObject({
      kind: '$joined',
      topics: ['a'],
      denied: new Map([
        ['b', { code: '', message: '' }],
        ['c', { code: 'forbidden', message: '' }],
      ]),
      recovered: true,
    })
    const welcome = { heartbeat_ms: -1, limits: [], schema: 7 }
    expect(decode(JSON.stringify({ type: '$welcome', payload: welcome }))).toMatchObject({
      kind: '$welcome',
      heartbeatMs: undefined,
      schema: undefined,
    })
  })

  test('__proto__ among the denied is a name like any other', () => {
    const frame = decode('{"type":"$joined","payload":{"topics":[],"denied":{"__proto__":{"code":"x"}}}}')
    expect(frame).toMatchObject({ denied: new Map([['__proto__', { code: 'x', message: '' }]]) })
  })
})

describe('patterns', () => {
  test.each([
    ['topic_7', 'topic_7', true],
    ['topic_7', 'topic_77', false],
    ['*', 'anything', true],
    ['topic_*', 'topic_', true],
    ['topic_*', 'topics', false],
    ['*_7', 'topic_7', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'acb', false],
    ['a*b*b', 'ab', false],
    ['a**c', 'abc', true],
    ['a.c*', 'abc', false],
    ['a|b', 'a', false],
    ['тема_*', 'тема_😀', true],
    ['😀\\-(', '😀\\-(', true],
  ])('%s means %s: %s', (pattern, topic, expected) => {
    expect(matcher([pattern])(topic)).toBe(expected)
  })

  test('one of several is enough, none is not', () => {
    expect(matcher(['a', 'b*'])('bc')).toBe(true)
    expect(matcher(['a', 'b*'])('abc')).toBe(false)
    expect(matcher([])('a')).toBe(false)
  })
})

describe('close codes', () => {
  /** The table of docs/protocol.md: code → whether to come back. */
  const table = new Map(
    [...read('docs/protocol.md').matchAll(/^\| ([\d, ]+) \| .* \| (with back-off|no)[^|]* \|$/gm)].flatMap(
      ([, codes = '', back]) =>
        codes.split(', ').map(code => [Number(code), back === 'no' ? 'never' : 'back'] as const),
    ),
  )

  test('each of the documented codes means what the page says', () => {
    expect(table.size).toBeGreaterThanOrEqual(11)
    for (const [code, meaning] of table) expect([code, verdict(code)]).toEqual([code, meaning])
  })

  test('each of the codes that the daemon has of its own is in the table, but for those of tokens', () => {
    const go = [...read('rooms/ws/codes.go').matchAll(/= (4\d{3})$/gm)].map(([, code]) => Number(code))
    expect(go.length).toBeGreaterThanOrEqual(5)
    expect(go.filter(code => !table.has(code) && code !== 4401 && code !== 4403)).toEqual([])
  })

  test('unknown codes: the network comes back, a refusal does not', () => {
    expect([1000, 1005, 1006, 1011, 3000, 4000, 4500].map(verdict)).toEqual(Array(7).fill('back'))
    expect([4401, 4403, 4404, 4499].map(verdict)).toEqual(['token', 'never', 'never', 'never'])
  })
})
