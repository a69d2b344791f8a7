// Written by hand until `rowcast types` writes it.

export interface Message {
  id: string
  topic_id: string
  author: string
  content: string
  created_at: string
}
export interface Project {
  id: string
  name: string
  archived: boolean
  created_at: string
}
export interface Proposal {
  id: string
  topic_id: string | null
  title: string
  status: string
  created_at: string
}
export interface AnalysisRun {
  id: string
  topic_id: string | null
  status: string
  error: string | null
  started_at: string
  finished_at: string | null
}
export interface Knowledge {
  id: string
  topic_id: string | null
  title: string
  content: string
  created_at: string
}

interface Change<T> {
  topic_id: T
  id: string
  changed: boolean
}
type ProposalChange = Change<string | null> & { proposal: Proposal }
type RunChange = Change<string | null> & { analysis_run: AnalysisRun; run_id: string }
type KnowledgeChange = Change<string | null> & { knowledge: Knowledge }

export interface Events {
  message_created: Change<string> & { message: Message }
  message_updated: Change<string> & { message: Message; changed_fields: string[] }
  message_deleted: Change<string>
  project_created: Change<null> & { project: Project }
  project_updated: Change<null> & { project: Project }
  project_deleted: Change<null>
  proposal_created: ProposalChange
  proposal_updated: ProposalChange
  proposal_deleted: Change<string | null>
  proposal_approved: ProposalChange
  proposal_rejected: ProposalChange
  analysis_run_created: RunChange
  analysis_run_updated: RunChange
  analysis_run_deleted: Change<string | null>
  analysis_started: RunChange
  analysis_completed: RunChange
  analysis_failed: RunChange & { error: string | null }
  knowledge_created: KnowledgeChange
  knowledge_updated: KnowledgeChange
  knowledge_deleted: Change<string | null>
}
