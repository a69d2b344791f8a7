import { JourneyStrip } from '../features/journey/JourneyStrip'
import { Lab } from '../features/lab/Lab'
import { Requests } from '../features/lab/Requests'
import { Terminal } from '../features/lab/Terminal'
import type { User } from '../user'
import './stage.css'

/** Between the panes: what happens between them, and what can be done to it. */
export function Stage({ users }: { users: readonly User[] }) {
  return (
    <>
      <JourneyStrip />
      <Terminal />
      <Requests users={users} />
      <Lab />
    </>
  )
}
