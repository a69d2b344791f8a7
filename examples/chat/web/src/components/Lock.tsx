export const Lock = () => (
  <svg className="lock" viewBox="0 0 16 16" aria-hidden="true">
    <path d="M3 7h10v7H3zM5 7V5a3 3 0 0 1 6 0v2" />
  </svg>
)
