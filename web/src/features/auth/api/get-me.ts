import { useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { type User, userSchema } from '@/shared/api/types';

async function getMe(signal: AbortSignal): Promise<User> {
  return readJson(await call('/v1/me', { signal }), userSchema);
}

export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: ({ signal }) => getMe(signal),
    staleTime: 60_000,
  });
}
