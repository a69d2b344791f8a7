/** What the server said instead of an answer. */
export const Failure = ({ error }: { error: Error }) => (
  <p className="hint" role="alert">
    {error.message}
  </p>
)
