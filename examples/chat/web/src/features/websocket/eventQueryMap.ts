import { type InvalidateRules, many } from 'rowcast/query'
import type { Events } from '../../rowcast'
import { keys } from './queryKeys'

const proposals = many(keys.proposals, keys.dashboard)
const runs = many(keys.runs, keys.dashboard) // the beginning of each run's key, too
const members = (e: { payload: { topic_id: string } }) => many(keys.topics, keys.members(e.payload.topic_id))
const atoms = many(keys.atoms, keys.dashboard)

/**
 * Which event makes which queries stale. A type that is not here touches
 * nothing. What is on the screen is refetched, once; what is not is marked,
 * and refetched when its user comes back to it.
 */
export const EVENT_QUERY_MAP: InvalidateRules<Events> = {
  // The page of one topic: other topics' pages stay as they are.
  message_created: e => many(keys.messages(e.payload.topic_id), keys.dashboard),
  message_updated: e => keys.messages(e.payload.topic_id),
  message_deleted: e => many(keys.messages(e.payload.topic_id), keys.dashboard),

  // One event, several queries: the list, the page of that one, the counts.
  project_created: many(keys.projects, keys.dashboard),
  project_updated: e => many(keys.projects, keys.project(e.payload.id)),
  project_deleted: many(keys.projects, keys.dashboard),

  proposal_created: proposals,
  proposal_approved: proposals,
  proposal_rejected: proposals,

  analysis_started: runs,
  analysis_completed: runs,
  analysis_failed: runs,

  knowledge_created: atoms,
  knowledge_updated: e => (e.payload.changed ? keys.atoms : null),
  knowledge_deleted: atoms,

  membership_created: members,
  membership_deleted: members,
}

/** Where the events of all that come from. */
export const LISTS = ['messages', 'projects', 'proposals', 'analysis', 'knowledge']
