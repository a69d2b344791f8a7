// Everything for React. An application without TanStack Query imports `rowcast/react/websocket`, which does not need it.

export * from './react/invalidation.js'
export * from './react/websocket.js'
