import { type User } from '@/shared/api/types';

/** Whether the account must have a second factor and has none: the server refuses it most other things. */
export function isFactorDue(user: User | undefined): boolean {
  return user !== undefined && user.second_factor_required && !user.totp_enabled;
}
