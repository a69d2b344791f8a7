// Made by `rowcast types` from the watched tables. Do not edit; renew it with: rowcast types --out FILE

/** The hash of these types, for createClient: in development it warns when the server's is another. */
export const schema = '89ff5a51d35c'

/** Where rows are sent. What the application emits itself may go to other topics. */
export type Topic =
  | 'analysis'
  | 'knowledge'
  | 'projects'
  | 'proposals'
  | `${string}`
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
  analysis_completed:
    | {
        topic_id: string | null
        id: string
        analysis_run: AnalysisRun
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated?: never
        run_id: string
      }
    | {
        topic_id: string | null
        id: string
        analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated: true
        run_id: string
      }
  analysis_failed:
    | {
        topic_id: string | null
        id: string
        analysis_run: AnalysisRun
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated?: never
        error: string | null
        run_id: string
      }
    | {
        topic_id: string | null
        id: string
        analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated: true
        error: string | null
        run_id: string
      }
  analysis_run_created:
    | { topic_id: string | null; id: string; analysis_run: AnalysisRun; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  analysis_run_deleted: {
    topic_id: string | null
    id: string
    analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
    changed: true
    truncated?: true
  }
  analysis_run_updated:
    | {
        topic_id: string | null
        id: string
        analysis_run: AnalysisRun
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof AnalysisRun)[]
        old?: Partial<Pick<AnalysisRun, 'id'>>
        truncated: true
      }
  analysis_started:
    | {
        topic_id: string | null
        id: string
        analysis_run: AnalysisRun
        changed: true
        truncated?: never
        run_id: string
      }
    | {
        topic_id: string | null
        id: string
        analysis_run: Pick<AnalysisRun, 'id' | 'topic_id'>
        changed: true
        truncated: true
        run_id: string
      }
  knowledge_created:
    | { topic_id: string | null; id: string; knowledge: Knowledge; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        knowledge: Pick<Knowledge, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  knowledge_deleted: {
    topic_id: string | null
    id: string
    knowledge: Pick<Knowledge, 'id' | 'topic_id'>
    changed: true
    truncated?: true
  }
  knowledge_updated:
    | {
        topic_id: string | null
        id: string
        knowledge: Knowledge
        changed: true
        changed_fields: (keyof Knowledge)[]
        old?: Partial<Pick<Knowledge, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        knowledge: Pick<Knowledge, 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Knowledge)[]
        old?: Partial<Pick<Knowledge, 'id'>>
        truncated: true
      }
  membership_created:
    | { topic_id: string; id: string; membership: Membership; changed: true; truncated?: never }
    | {
        topic_id: string
        id: string
        membership: Pick<Membership, 'member' | 'topic_id'>
        changed: true
        truncated: true
      }
  membership_deleted:
    | {
        topic_id: string
        id: string
        membership: Pick<Membership, 'member' | 'topic_id'>
        changed: true
        truncated?: true
        moved: true
      }
    | {
        topic_id: string
        id: string
        membership: Pick<Membership, 'member' | 'topic_id'>
        changed: true
        truncated?: true
        moved?: never
      }
  membership_updated:
    | {
        topic_id: string
        id: string
        membership: Membership
        changed: true
        changed_fields: (keyof Membership)[]
        old?: Partial<Pick<Membership, 'member' | 'topic_id'>>
        truncated?: never
      }
    | {
        topic_id: string
        id: string
        membership: Pick<Membership, 'member' | 'topic_id'>
        changed: true
        changed_fields: (keyof Membership)[]
        old?: Partial<Pick<Membership, 'member' | 'topic_id'>>
        truncated: true
      }
  message_created:
    | { topic_id: string; id: string; message: Message; changed: true; truncated?: never }
    | {
        topic_id: string
        id: string
        message: Pick<Message, 'feed' | 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  message_deleted:
    | { topic_id: string; id: string; message: Pick<Message, 'id'>; changed: true; truncated?: true; moved: true }
    | {
        topic_id: string
        id: string
        message: Pick<Message, 'id' | 'topic_id'>
        changed: true
        truncated?: true
        moved?: never
      }
  message_updated:
    | {
        topic_id: string
        id: string
        message: Message
        changed: true
        changed_fields: (keyof Message)[]
        old?: Partial<Pick<Message, 'id'>>
        truncated?: never
      }
    | {
        topic_id: string
        id: string
        message: Pick<Message, 'feed' | 'id' | 'topic_id'>
        changed: true
        changed_fields: (keyof Message)[]
        old?: Partial<Pick<Message, 'id'>>
        truncated: true
      }
  project_created:
    | { topic_id: null; id: string; project: Project; changed: true; truncated?: never }
    | { topic_id: null; id: string; project: Pick<Project, 'id'>; changed: true; truncated: true }
  project_deleted: { topic_id: null; id: string; project: Pick<Project, 'id'>; changed: true; truncated?: true }
  project_updated:
    | {
        topic_id: null
        id: string
        project: Project
        changed: true
        changed_fields: (keyof Project)[]
        old?: Partial<Pick<Project, 'id'>>
        truncated?: never
      }
    | {
        topic_id: null
        id: string
        project: Pick<Project, 'id'>
        changed: true
        changed_fields: (keyof Project)[]
        old?: Partial<Pick<Project, 'id'>>
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
  proposal_created:
    | { topic_id: string | null; id: string; proposal: Proposal; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        truncated: true
      }
  proposal_deleted:
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id'>
        changed: true
        truncated?: true
        moved: true
      }
    | {
        topic_id: string | null
        id: string
        proposal: Pick<Proposal, 'id' | 'topic_id'>
        changed: true
        truncated?: true
        moved?: never
      }
  proposal_rejected:
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
}

/** A row of public.analysis_runs. */
export interface AnalysisRun {
  error: string | null
  finished_at: string | null
  id: string
  started_at: string
  status: string
  topic_id: string | null
}

/** A row of public.knowledge_atoms. */
export interface Knowledge {
  content: string
  created_at: string
  id: string
  title: string
  topic_id: string | null
}

/** A row of public.memberships. */
export interface Membership {
  member: string
  owner: boolean
  topic_id: string
}

/** A row of public.messages. */
export interface Message {
  author: string
  content: string
  created_at: string
  feed: string | null
  id: string
  topic_id: string
}

/** A row of public.projects. */
export interface Project {
  archived: boolean
  created_at: string
  id: string
  name: string
}

/** A row of public.proposals. */
export interface Proposal {
  created_at: string
  id: string
  status: string
  title: string
  topic_id: string | null
}
