import { Notice } from '../../components/Notice'

interface Props {
  topicId: string
  title: string
  code: string
}

/** In the place of a topic that this user may not read. */
export function Closed({ topicId, title, code }: Props) {
  const removed = code === 'revoked'
  return (
    <Notice testId="closed" code={code} title={removed ? `You were removed from ${title}` : `${title} is private`}>
      <p>
        {removed
          ? `Your membership was deleted: the daemon took you out of topic_${topicId}, and the cache has dropped what you had read.`
          : `You are no member: the daemon denies you topic_${topicId}, and the API its messages.`}
      </p>
      <p>Ask Olena to add you, in her pane. You are in without a reload.</p>
    </Notice>
  )
}
