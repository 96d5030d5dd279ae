import { useEndEverySession } from '@/features/admin/api/sessions';
import { AskingButton } from '@/features/admin/components/AskingButton';
import { Alert, ErrorAlert } from '@/shared/components/Alert';

export function SessionsSection() {
  const end = useEndEverySession();
  return (
    <section aria-labelledby="admin-sessions">
      <h2 id="admin-sessions">Sessions</h2>
      {end.isSuccess && <Alert>{`Ended sessions: ${String(end.data.revoked)}. Yours goes on.`}</Alert>}
      <ErrorAlert error={end.error} />
      <div className="admin-acts">
        <AskingButton
          label="End all sessions"
          name="End all sessions of all accounts"
          title="End every session of every account?"
          busy={end.isPending}
          onConfirm={() => {
            end.mutate();
          }}
        >
          <strong>Everybody</strong> but you is signed out everywhere at once and can sign in again.
        </AskingButton>
      </div>
    </section>
  );
}
