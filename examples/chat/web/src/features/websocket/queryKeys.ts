/** Ids are strings, as in events: with a 7 where an event says '7' a key misses. */
export const keys = {
  topics: ['topics'],
  messages: (topicId: string) => ['messages', 'topic', topicId],
  members: (topicId: string) => ['members', topicId],
  projects: ['projects'],
  project: (id: string) => ['project', id],
  proposals: ['proposals'],
  runs: ['analysis', 'runs'],
  run: (id: string) => ['analysis', 'runs', id],
  atoms: ['knowledge', 'atoms'],
  dashboard: ['dashboard'],
} as const
