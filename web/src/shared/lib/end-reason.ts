/** Words for what the server says about sessions. */

const END_REASONS: Readonly<Record<string, string>> = {
  signed_out: 'Signed out',
  revoked_by_user: 'Ended from another device',
  revoked_others: 'Ended with all others',
  revoked_all: 'Ended with all sessions',
  revoked_by_admin: 'Ended by an administrator',
  revoked_by_service: 'Ended by a service',
  password_changed: 'Password changed',
  second_factor_changed: 'Second factor changed',
  password_reset: 'Password reset',
  user_disabled: 'Account disabled',
  refresh_token_reused: 'Ended for safety: a used token came again',
  too_many_sessions: 'Ended for a newer one: there were too many',
  expired: 'Expired',
  idle: 'Not used for too long',
};

/** Why a session ended. A reason that this version does not know is shown as it is. */
export function endReasonText(reason: string | null | undefined): string {
  if (!reason) return 'Ended';
  return END_REASONS[reason] ?? reason.replaceAll('_', ' ');
}
