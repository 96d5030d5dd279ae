import './brand.css';

/** The mark and the name. */
export function Brand() {
  return (
    <span className="brand">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M9 25V14a7 7 0 0 1 14 0v11M16 7v18M9 17h14" />
      </svg>
      Gatelog
    </span>
  );
}
