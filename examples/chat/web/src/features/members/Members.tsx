import { Lock } from '../../components/Lock'
import { USERS, useUser } from '../../user'
import { useAddMember, useMembers, useRemoveMember } from './queries'

/** Who is in a private topic. Its owner lets others in and sends them out. */
export function Members({ topicId }: { topicId: string }) {
  const { id } = useUser()
  const { data: members } = useMembers(topicId)
  const add = useAddMember(topicId)
  const remove = useRemoveMember(topicId)
  const mine = members?.some(m => m.owner && m.member === id)
  return (
    <p className="members" data-testid="members">
      <Lock /> Private to
      {members &&
        Object.entries(USERS).map(([user, name]) => {
          const member = members.find(m => m.member === user)
          return (
            <span key={user}>
              {member && name}
              {mine && user !== id && (
                <button
                  type="button"
                  data-testid={`${member ? 'remove' : 'add'}-${user}`}
                  onClick={() => (member ? remove : add).mutate(user)}
                >
                  {member ? 'Remove' : `Add ${name}`}
                </button>
              )}
            </span>
          )
        })}
    </p>
  )
}
