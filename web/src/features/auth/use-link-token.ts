import { useEffect, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';

/** The token behind the `#` of a mailed link, taken out of the address bar and the history at once. */
export function useLinkToken(): string | null {
  const { hash, pathname } = useLocation();
  const navigate = useNavigate();
  const [token] = useState(() => new URLSearchParams(hash.slice(1)).get('token'));
  useEffect(() => {
    if (hash !== '') void navigate(pathname, { replace: true });
  }, [hash, pathname, navigate]);
  return token;
}
