// Where an application's own hook used to be. Everybody imports it from here.
export { useWebSocket } from 'rowcast/react'
