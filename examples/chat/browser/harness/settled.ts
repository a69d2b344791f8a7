import WebSocket from 'ws'

/**
 * Waits until whoever joins is not told to fetch again: by a daemon younger than clients look back, or by the $resync of
 * a test before. That would be right, but spoil the counting of requests.
 */
export async function settled(url: string): Promise<void> {
  const socket = new WebSocket(url, 'rowcast.v1')
  await new Promise<void>((resolve, reject) => {
    let resynced = false
    const look = (): void => {
      resynced = false
      socket.send('{"type":"join","ref":1,"topics":["messages"],"lookback_ms":2000}')
    }
    socket.on('error', reject)
    socket.on('message', data => {
      const { type, payload } = JSON.parse(String(data))
      if (type === '$welcome') look()
      else if (type === '$resync') resynced = true
      else if (type === '$joined' && payload.recovered && !resynced) resolve()
      else if (type === '$joined') setTimeout(look, 100)
    })
  })
  socket.close()
}
