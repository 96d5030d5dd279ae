import { useRevokeOtherSessions } from '@/features/sessions/api/revoke-other-sessions';
import { ConfirmDialog } from '@/shared/components/ConfirmDialog';

export function EndOthersDialog({ onClose }: { onClose: () => void }) {
  const revokeOthers = useRevokeOtherSessions();
  return (
    <ConfirmDialog
      title="End all other sessions?"
      confirmLabel="End all others"
      busy={revokeOthers.isPending}
      error={revokeOthers.error}
      onClose={onClose}
      onConfirm={() => {
        revokeOthers.mutate(undefined, { onSuccess: onClose });
      }}
    >
      Every device but this one is signed out at once.
    </ConfirmDialog>
  );
}
