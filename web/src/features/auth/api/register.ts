import { useMutation } from '@tanstack/react-query';

import { callPublic, readJson } from '@/shared/api/transport';
import { type User, userSchema, type Wire } from '@/shared/api/types';

export interface Registration {
  email: string;
  password: string;
  /** Empty: none. */
  name: string;
}

/** Null: there is an account once the link in the mail is used. */
async function register({ email, password, name }: Registration): Promise<User | null> {
  const response = await callPublic('/v1/users', {
    method: 'POST',
    body: { email, password, ...(name === '' ? {} : { name }) } satisfies Wire['CreateUser'],
  });
  return response.status === 202 ? null : readJson(response, userSchema);
}

export function useRegister() {
  return useMutation({ mutationFn: register });
}
