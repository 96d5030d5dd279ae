import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

export interface PasswordChange {
  current: string;
  next: string;
  endOthers: boolean;
}

async function changePassword({ current, next, endOthers }: PasswordChange): Promise<void> {
  await call('/v1/me/password', {
    method: 'PUT',
    body: { current_password: current, new_password: next, revoke_other_sessions: endOthers },
  });
}

export function useChangePassword() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: changePassword,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['sessions'] });
      await client.invalidateQueries({ queryKey: ['activity'] });
    },
  });
}
