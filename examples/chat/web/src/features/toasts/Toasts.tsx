import { useStore } from '../../lib/store'
import { useUser } from '../../user'
import './toasts.css'

export function Toasts() {
  const { toasts } = useUser()
  const shown = useStore(toasts.shown)
  return (
    <div className="toasts" role="status" aria-live="polite" data-testid="toasts">
      {shown.map(({ id, kind, text, action }) => (
        <div key={id} className="toast" data-testid="toast" data-kind={kind}>
          <span className="toast-text">{text}</span>
          {action && (
            <button
              type="button"
              data-testid="toast-action"
              onClick={() => {
                action.run()
                toasts.dismiss(id)
              }}
            >
              {action.label}
            </button>
          )}
          <button
            type="button"
            className="quiet"
            data-testid="toast-dismiss"
            aria-label="Dismiss"
            onClick={() => toasts.dismiss(id)}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  )
}
