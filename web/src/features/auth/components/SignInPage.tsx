import { useState } from 'react';
import { Link } from 'react-router';

import { type Challenge } from '@/features/auth/api/sign-in';
import { AuthCard } from '@/features/auth/components/AuthCard';
import { SecondFactorForm } from '@/features/auth/components/SecondFactorForm';
import { SignInForm } from '@/features/auth/components/SignInForm';
import { useConfig } from '@/shared/api/get-config';
import { useAuth } from '@/shared/auth/use-auth';
import { Alert } from '@/shared/components/Alert';

const CHALLENGE_EXPIRED = 'That took too long, or too many codes were wrong. Enter your password again.';

interface Props {
  /** The address that was just registered, to be filled in. */
  email?: string;
}

/** Password first; then, where the account has one, the second factor. */
export function SignInPage({ email = '' }: Props) {
  const { notice } = useAuth();
  const config = useConfig();
  const [challenge, setChallenge] = useState<Challenge | null>(null);
  const [restarted, setRestarted] = useState(false);
  if (challenge !== null) {
    return (
      <AuthCard key="second-factor" title="Second step">
        <SecondFactorForm
          challenge={challenge}
          onExpired={() => {
            setChallenge(null);
            setRestarted(true);
          }}
        />
      </AuthCard>
    );
  }
  const message = restarted ? CHALLENGE_EXPIRED : notice;
  return (
    <AuthCard key="password" title="Sign in">
      <SignInForm email={email} notice={message && <Alert>{message}</Alert>} onChallenge={setChallenge} />
      <p className="auth-aside">
        <Link to="/forgot-password">Forgot your password?</Link>
      </p>
      {config.data?.registration !== 'closed' && (
        <p className="auth-aside">
          No account yet? <Link to="/register">Register</Link>
        </p>
      )}
    </AuthCard>
  );
}
