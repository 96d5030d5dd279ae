import { Link } from 'react-router';

import { type User } from '@/shared/api/types';
import { Alert } from '@/shared/components/Alert';
import { exactTime } from '@/shared/lib/time';

/** On every page while the account is to be erased, so that nobody finds out too late. */
export function DeletionNotice({ user }: { user: User | undefined }) {
  if (!user?.erase_at) return null;
  return (
    <div className="app-notice">
      <Alert>
        This account is erased on {exactTime(user.erase_at)}. <Link to="/account">Change your mind</Link>
      </Alert>
    </div>
  );
}
