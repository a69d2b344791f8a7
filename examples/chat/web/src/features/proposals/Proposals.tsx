import { AddForm } from '../../components/AddForm'
import { Listing } from '../../components/Listing'
import type { Proposal } from '../../rowcast'
import { useCreateProposal, useDecide, useProposals } from './queries'

export function Proposals({ topicId }: { topicId: string }) {
  const proposals = useProposals()
  const create = useCreateProposal(topicId)
  return (
    <>
      <Listing query={proposals} label="Proposals" empty="No proposals." testId="proposals">
        {proposal => <ProposalRow proposal={proposal} />}
      </Listing>
      <AddForm label="New proposal" button="Propose" testId="proposal-title" onAdd={create.mutate} />
    </>
  )
}

function ProposalRow({ proposal: { id, title, status } }: { proposal: Proposal }) {
  const decide = useDecide(id)
  return (
    <div className="row">
      <span className="row-title">{title}</span>
      <span className="tag" data-status={status} data-testid={`proposal-${id}-status`}>
        {status}
      </span>
      <button
        type="button"
        data-testid={`proposal-${id}-approve`}
        disabled={status === 'approved'}
        onClick={() => decide.mutate('approved')}
      >
        Approve
      </button>
      <button
        type="button"
        data-testid={`proposal-${id}-reject`}
        disabled={status === 'rejected'}
        onClick={() => decide.mutate('rejected')}
      >
        Reject
      </button>
    </div>
  )
}
