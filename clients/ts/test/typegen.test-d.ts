// What `rowcast types` writes (the golden files of its Go tests) compiles, and a
// program can tell the looks of a payload apart.

import { expectTypeOf, test } from 'vitest'
import type { Events, Message1, Message2, Proposal, Topic } from '../../../bridge/typegen/testdata/events.js'
import type * as names from '../../../bridge/typegen/testdata/names.js'
import type { Float, Json, Thing } from '../../../bridge/typegen/testdata/values.js'
import type { Client, EventOf } from '../src/index.js'

test('a truncated payload has less of the row', () => {
  const payload = {} as Events['proposal_approved']
  if (payload.truncated) {
    expectTypeOf(payload.proposal).toEqualTypeOf<Pick<Proposal, 'id' | 'topic_id'>>()
    expectTypeOf(payload.reasons).toEqualTypeOf<(string | null)[] | string | null>()
  } else {
    expectTypeOf(payload.proposal).toEqualTypeOf<Proposal>()
    expectTypeOf(payload.reasons).toEqualTypeOf<(string | null)[] | null>()
  }
  expectTypeOf(payload.changed_fields).toEqualTypeOf<(keyof Proposal)[]>()
  // @ts-expect-error: a truncated row has none
  payload.proposal.status
})

test('a row that moved shows its key', () => {
  const payload = {} as Events['membership_deleted']
  if (payload.moved) expectTypeOf(payload.membership).toEqualTypeOf<{ project: string; user_id: number }>()
})

test('tables that share an entity make a union', () => {
  const payload = {} as Events['message_created']
  if (!payload.truncated) expectTypeOf(payload.message).toEqualTypeOf<Message1 | Message2>()
})

test('an event goes by its type', () => {
  const event = {} as EventOf<Events>
  if (event.type === 'note_created') expectTypeOf(event.payload.topic_id).toEqualTypeOf<string | null>()
  // @ts-expect-error: no such type
  event.type === 'note_made'
})

test('topics are names', () => {
  const client = {} as Client<Events>
  client.subscribe(['topic_7', "it's`$at\\x", 'all'] satisfies Topic[])
  // @ts-expect-error: no template makes it
  ;['topics_7'] satisfies Topic[]
})

test('values have the types of the wire', () => {
  expectTypeOf<Thing['i4']>().toEqualTypeOf<number | null>()
  expectTypeOf<Thing['id']>().toEqualTypeOf<string>()
  expectTypeOf<Thing['f8']>().toEqualTypeOf<Float>()
  expectTypeOf<Thing['jb']>().toEqualTypeOf<Json>()
  expectTypeOf<Thing['a_2d']>().toEqualTypeOf<(number | null)[][] | null>()
  expectTypeOf<Thing['1st']>().toEqualTypeOf<number | null>()
})

test('names mean what they are', () => {
  expectTypeOf<names.Class['a`b']>().toEqualTypeOf<number>()
  expectTypeOf<names.Class['new\nline']>().toEqualTypeOf<number>()
  expectTypeOf<names.Class['*/']>().toEqualTypeOf<number | null>()
  expectTypeOf<names.Class['назва']>().toEqualTypeOf<string | null>()
})
