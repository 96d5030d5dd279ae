import { Link } from 'react-router';

import { useConfirmEmail } from '@/features/auth/api/mail-links';
import { AuthCard } from '@/features/auth/components/AuthCard';
import { useLinkToken } from '@/features/auth/use-link-token';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

/** Asks before it confirms: programs that open the links of mails to look at them must not use them up. */
export function ConfirmEmailPage() {
  const token = useLinkToken();
  const confirm = useConfirmEmail();
  return (
    <AuthCard title="Confirm your address">
      {token === null && <Alert tone="danger">This link is not whole. Copy all of it from the mail.</Alert>}
      <ErrorAlert error={confirm.error} />
      {confirm.isSuccess && <Alert>Your address is confirmed.</Alert>}
      {token !== null && !confirm.isSuccess && (
        <Button
          look="primary"
          busy={confirm.isPending}
          onClick={() => {
            confirm.mutate(token);
          }}
        >
          {confirm.isPending ? 'Confirming…' : 'Confirm the address'}
        </Button>
      )}
      <p className="auth-aside">
        <Link to="/">Go on to Gatelog</Link>
      </p>
    </AuthCard>
  );
}
