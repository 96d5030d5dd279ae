import { Link } from 'react-router';

import { AuthCard } from '@/features/auth/components/AuthCard';
import { RegisterForm } from '@/features/auth/components/RegisterForm';
import { DEFAULT_PASSWORD_POLICY, useConfig } from '@/shared/api/get-config';
import { Alert } from '@/shared/components/Alert';

interface Props {
  onRegistered: (email: string) => void;
}

export function RegisterPage({ onRegistered }: Props) {
  const config = useConfig();
  const closed = config.data?.registration === 'closed';
  return (
    <AuthCard title="Register">
      {closed ? (
        <Alert>This server is closed to new accounts. An administrator can make one for you.</Alert>
      ) : (
        <RegisterForm policy={config.data?.password ?? DEFAULT_PASSWORD_POLICY} onRegistered={onRegistered} />
      )}
      <p className="auth-aside">
        Have an account? <Link to="/sign-in">Sign in</Link>
      </p>
    </AuthCard>
  );
}
