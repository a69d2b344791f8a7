import { describe, expectTypeOf, test } from 'vitest'
import { type Client, createClient, type EventOf, type RowcastEvent } from '../src/index.js'
import { fakeServer } from '../src/testing.js'

interface Events {
  message_created: { topic_id: string; message: { id: string; content: string } }
  message_deleted: { topic_id: string; id: string }
}

describe('events of a map', () => {
  const client = createClient<Events>()

  test('the type of an event decides on its payload', () => {
    client.subscribe(['messages'], {
      onEvent(event, { own }) {
        expectTypeOf(own).toEqualTypeOf<boolean>()
        if (event.type === 'message_created') expectTypeOf(event.payload.message.content).toEqualTypeOf<string>()
        if (event.type === 'message_deleted') expectTypeOf(event.payload).toEqualTypeOf<Events['message_deleted']>()
        // @ts-expect-error no event has this name
        if (event.type === 'message_create') return
        // @ts-expect-error only one of the two has a message
        event.payload.message
        // @ts-expect-error no payload has this field
        event.payload.topicId
      },
      onMessage(message) {
        expectTypeOf(message.event).toEqualTypeOf<EventOf<Events>>()
        expectTypeOf(message.data).toEqualTypeOf<string>()
      },
    })
  })

  test('wrong options and listeners', () => {
    // @ts-expect-error a topic is a text
    client.subscribe([7])
    // @ts-expect-error there is no such callback
    client.subscribe(['messages'], { onevent() {} })
    // @ts-expect-error milliseconds are a number
    createClient({ lingerMs: '250' })
    // @ts-expect-error only the client says so
    client.connectionState = 'connected'
  })

  test('one type of several', () => {
    expectTypeOf<EventOf<Events, 'message_deleted'>>().toEqualTypeOf<
      RowcastEvent<'message_deleted', Events['message_deleted']>
    >()
  })

  test('the fake server knows them, too', () => {
    const server = fakeServer<Events>()
    server.emit({ type: 'message_deleted', payload: { topic_id: '7', id: '1' } })
    // @ts-expect-error a number is no id
    server.emit({ type: 'message_deleted', payload: { topic_id: '7', id: 1 } })
    // @ts-expect-error no event has this name
    server.emit({ type: 'message_gone', payload: {} })
  })
})

test('without a map any type may come, with an unknown payload', () => {
  createClient().subscribe([], {
    onEvent(event) {
      expectTypeOf(event.type).toEqualTypeOf<string>()
      expectTypeOf(event.payload.anything).toEqualTypeOf<unknown>()
    },
  })
})

test("the browser's WebSocket fits", () => {
  createClient({ WebSocket: globalThis.WebSocket })
  expectTypeOf(createClient<Events>()).toEqualTypeOf<Client<Events>>()
})
