/** Words for what happened to an account. */
import { type Activity } from '@/features/auth/api/list-activity';
import { endReasonText } from '@/shared/lib/end-reason';

const TEXTS: Readonly<Record<string, string>> = {
  UserRegistered: 'Account registered',
  UserRegistrationAbandoned: 'Registration given up',
  UserNameChanged: 'Name changed',
  EmailVerified: 'E-mail address confirmed',
  EmailChangeRequested: 'Change of the e-mail address asked for',
  EmailChangeCancelled: 'Change of the e-mail address taken back',
  EmailChanged: 'E-mail address changed',
  PasswordChanged: 'Password changed',
  PasswordReset: 'Password reset by mail',
  TotpEnabled: 'Two-factor authentication turned on',
  TotpDisabled: 'Two-factor authentication turned off',
  RecoveryCodesIssued: 'New recovery codes made',
  RecoveryCodeUsed: 'Recovery code used',
  SignInFailuresBegan: 'Many sign-ins with a wrong password',
  SignInFailuresCounted: 'Sign-ins with a wrong password, counted',
  SecondFactorFailuresBegan: 'Several wrong codes of the second factor',
  SecondFactorFailuresCounted: 'Wrong codes of the second factor, counted',
  UserRolesChanged: 'Roles changed',
  UserDisabled: 'Account disabled',
  UserEnabled: 'Account enabled',
  UserDeletionRequested: 'Deletion of the account asked for',
  UserDeletionCancelled: 'Deletion of the account taken back',
  UserErasureStarted: 'Erasure of the account begun',
  UserErased: 'Account erased',
  SessionStarted: 'Signed in',
  SessionReauthenticated: 'Identity confirmed once more',
  SessionEnded: 'Session ended',
};

/** What happened. A type that this version does not know is shown as it is. */
export function activityText({ type, end_reason }: Activity): string {
  const text = TEXTS[type] ?? type;
  return end_reason ? `${text}: ${decapitalised(endReasonText(end_reason))}` : text;
}

const ACTORS: Readonly<Record<string, string>> = {
  person: 'by you',
  administrator: 'by an administrator',
  system: 'by the server',
};

/** Who did it. */
export function actorText({ by }: Activity): string {
  return ACTORS[by] ?? `by ${by}`;
}

function decapitalised(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
