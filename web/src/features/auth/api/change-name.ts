import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type User, userSchema, type Wire } from '@/shared/api/types';

async function changeName(name: string): Promise<User> {
  const body = { name: name === '' ? null : name } satisfies Wire['UpdateMe'];
  return readJson(await call('/v1/me', { method: 'PATCH', body }), userSchema);
}

/** An empty name is none. */
export function useChangeName() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: changeName,
    onSuccess: (user) => {
      client.setQueryData<User>(['me'], user);
      return client.invalidateQueries({ queryKey: ['activity'] });
    },
  });
}
