// Made by `rowcast types` from the watched tables. Do not edit; renew it with: rowcast types --out FILE

/** The hash of these types, for createClient: in development it warns when the server's is another. */
export const schema = '489e73e5dec5'

/** Where rows are sent. What the application emits itself may go to other topics. */
export type Topic =
  | 'a\'b'
  | 'all'
  | `it's\`$${string}\\x`
  | `note_${string}`
  | `tagged_${string}`
  | `topic_${string}`
  | `user_${string}`

/**
 * The payload of each event type.
 *
 * - truncated: the row was too large to be sent; these columns are all there is of it. Fetch it.
 * - moved: the row is not deleted, it has left the event's topics.
 *
 * What the application emits itself is not in the database's catalogue. Add it:
 *
 *     interface AppEvents extends Events { typing_started: { topic_id: string } }
 */
export interface Events {
  blip_created: { topic_id: null; blip: Record<string, never>; changed: true; truncated?: true }
  blip_deleted: { topic_id: null; blip: Record<string, never>; changed: true; truncated?: true }
  blip_updated: {
    topic_id: null
    blip: Record<string, never>
    changed: boolean
    changed_fields: (keyof Blip)[]
    truncated?: true
  }
  closed:
    | {
        topic_id: string | null
        id: string
        proposal: Proposal
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated: true
      }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        truncated?: true
        error: string | null
      }
  membership_created:
    | { topic_id: null; id: string; membership: Membership; changed: true; truncated?: never }
    | {
        topic_id: null
        id: string
        membership: Pick<Membership, 'project' | 'user_id'>
        changed: true
        truncated: true
      }
  membership_deleted:
    | {
        topic_id: null
        id: string
        membership: Pick<Membership, 'project' | 'user_id'>
        changed: true
        truncated?: true
        moved: true
      }
    | { topic_id: null; id: string; membership: Membership; changed: true; truncated?: never; moved?: never }
    | {
        topic_id: null
        id: string
        membership: Pick<Membership, 'project' | 'user_id'>
        changed: true
        truncated: true
        moved?: never
      }
  membership_updated:
    | {
        topic_id: null
        id: string
        membership: Membership
        changed: boolean
        changed_fields: (keyof Membership)[]
        old?: Partial<Membership>
        truncated?: never
      }
    | {
        topic_id: null
        id: string
        membership: Pick<Membership, 'project' | 'user_id'>
        changed: boolean
        changed_fields: (keyof Membership)[]
        old?: Partial<Pick<Membership, 'project' | 'user_id'>>
        truncated: true
      }
  message_created:
    | { topic_id: string; id: string; message: Message1; changed: true; truncated?: never }
    | { topic_id: string; id: string; message: Pick<Message1, 'id' | 'topic_id'>; changed: true; truncated: true }
    | { topic_id: string | null; id: string; message: Message2; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        message: Pick<Message2, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  message_deleted:
    | { topic_id: string; id: string; message: Pick<Message1, 'id' | 'topic_id'>; changed: true; truncated?: true }
    | { topic_id: string; id: string; message: Pick<Message1, 'id'>; changed: true; truncated?: true; moved: true }
    | {
        topic_id: string
        id: string
        message: Pick<Message1, 'id' | 'topic_id'>
        changed: true
        truncated?: true
        moved?: never
      }
    | { topic_id: string | null; id: string; message: Message2; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        message: Pick<Message2, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  message_updated:
    | {
        topic_id: string
        id: string
        message: Message1
        changed: true
        changed_fields: (keyof Message1)[]
        old?: Partial<Pick<Message1, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string
        id: string
        message: Pick<Message1, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Message1)[]
        old?: Partial<Pick<Message1, 'id'>>
        truncated: true
      }
    | {
        topic_id: string | null
        id: string
        message: Message2
        changed: true
        changed_fields: (keyof Message2)[]
        old?: Partial<Message2>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        message: Pick<Message2, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Message2)[]
        old?: Partial<Pick<Message2, 'id'>>
        truncated: true
      }
  note_created:
    | { topic_id: string | null; note: Note; changed: true; truncated?: never }
    | { topic_id: string | null; note: Pick<Note, 'room'>; changed: true; truncated: true }
  note_deleted:
    | { topic_id: string | null; note: Record<string, never>; changed: true; truncated?: true; moved: true }
    | { topic_id: string | null; note: Pick<Note, 'room'>; changed: true; truncated?: true; moved?: never }
  note_updated:
    | { topic_id: string | null; note: Note; changed: true; changed_fields: (keyof Note)[]; truncated?: never }
    | {
        topic_id: string | null
        note: Pick<Note, 'room'>
        changed: true
        changed_fields: (keyof Note)[]
        truncated: true
      }
  proposal_approved:
    | {
        topic_id: string | null
        id: string
        proposal: Proposal
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated?: never
        error: string | null
        reasons: (string | null)[] | null
      }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated: true
        error: string | null
        reasons: (string | null)[] | string | null
      }
  proposal_created:
    | { topic_id: string | null; id: string; proposal: Proposal; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  proposal_deleted: {
    topic_id: string | null
    id: string
    proposal: Pick<Proposal, 'id' | 'topic_id'>
    changed: true
    truncated?: true
  }
  proposal_opened:
    | { topic_id: string | null; id: string; proposal: Proposal; changed: true; truncated?: never; 'run-id': string }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        truncated: true
        'run-id': string
      }
  proposal_updated:
    | {
        topic_id: string | null
        id: string
        proposal: Proposal
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Proposal)[]
        old?: Partial<Pick<Proposal, 'id'>>
        truncated: true
      }
  tagged_anew:
    | {
        topic_id: string
        id: string
        tagged: Tagged
        changed: true
        changed_fields: (keyof Tagged)[]
        old?: { tags?: (string | null)[] | string }
        truncated?: never
        where: (number | null)[][]
      }
    | {
        topic_id: string
        id: string
        tagged: { grid: (number | null)[][] | string; tags: (string | null)[] | string }
        changed: true
        changed_fields: (keyof Tagged)[]
        old?: { tags?: (string | null)[] | string }
        truncated: true
        where: (number | null)[][] | string
      }
  tagged_created:
    | { topic_id: string; id: string; tagged: Tagged; changed: true; truncated?: never }
    | {
        topic_id: string
        id: string
        tagged: { grid: (number | null)[][] | string; tags: (string | null)[] | string }
        changed: true
        truncated: true
      }
  tagged_deleted:
    | {
        topic_id: string
        id: string
        tagged: { tags: (string | null)[] | string }
        changed: true
        truncated?: true
        moved: true
      }
    | {
        topic_id: string
        id: string
        tagged: { grid: (number | null)[][] | string; tags: (string | null)[] | string }
        changed: true
        truncated?: true
        moved?: never
      }
  tagged_updated:
    | {
        topic_id: string
        id: string
        tagged: Tagged
        changed: true
        changed_fields: (keyof Tagged)[]
        old?: { tags?: (string | null)[] | string }
        truncated?: never
      }
    | {
        topic_id: string
        id: string
        tagged: { grid: (number | null)[][] | string; tags: (string | null)[] | string }
        changed: true
        changed_fields: (keyof Tagged)[]
        old?: { tags?: (string | null)[] | string }
        truncated: true
      }
  topic_deleted: {
    topic_id: null
    id: string
    topic: Pick<TopicRow, 'id'>
    changed: true
    truncated?: true
    moved: true
  }
  topic_updated: {
    topic_id: null
    id: string
    topic: TopicRow
    changed: true
    changed_fields: (keyof TopicRow)[]
    old?: Partial<Pick<TopicRow, 'id'>>
    truncated?: true
  }
}

/** A row of public.blips. */
export type Blip = Record<string, never>

/** A row of public.memberships. */
export interface Membership {
  project: string
  role: string
  user_id: number
}

/** A row of archive.messages or public.messages. */
export interface Message1 {
  content: string | null
  id: string
  topic_id: string
}

/** A row of archive.mails. */
export interface Message2 {
  id: number
  subject: string
  topic_id: string | null
}

/** A row of public.notes. */
export interface Note {
  body: string | null
  room: string | null
}

/** A row of public.proposals. */
export interface Proposal {
  error: string | null
  id: string
  reasons: (string | null)[] | null
  status: 'pending' | 'approved'
  topic_id: string | null
}

/** A row of public.quiet. */
export interface Quiet {
  id: number
}

/** A row of public.tagged. */
export interface Tagged {
  body: string | null
  grid: (number | null)[][]
  tags: (string | null)[]
}

/** A row of public.series. */
export interface TopicRow {
  'at`': string | null
  id: number
}

export type Message = Message1 | Message2
