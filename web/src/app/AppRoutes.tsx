import { Navigate, Route, Routes, useLocation, useNavigate } from 'react-router';

import { AppShell } from '@/app/AppShell';
import { RequireRole, RequireSecondFactor, RequireSession, RequireSignedOut } from '@/app/guards';
import { NotFoundPage } from '@/app/NotFoundPage';
import { locationStateSchema } from '@/app/location-state';
import { AdminPage } from '@/features/admin/components/AdminPage';
import { AuditPage } from '@/features/audit/components/AuditPage';
import { AccountPage } from '@/features/auth/components/AccountPage';
import { ConfirmEmailPage } from '@/features/auth/components/ConfirmEmailPage';
import { ForgotPasswordPage } from '@/features/auth/components/ForgotPasswordPage';
import { RegisterPage } from '@/features/auth/components/RegisterPage';
import { ResetPasswordPage } from '@/features/auth/components/ResetPasswordPage';
import { SignInPage } from '@/features/auth/components/SignInPage';
import { MediaDetailPage } from '@/features/media/components/MediaDetailPage';
import { MediaPage } from '@/features/media/components/MediaPage';
import { SessionsPage } from '@/features/sessions/components/SessionsPage';

/** Every path of the application. */
export function AppRoutes() {
  return (
    <Routes>
      <Route element={<RequireSignedOut />}>
        <Route path="/sign-in" element={<SignIn />} />
        <Route path="/register" element={<Register />} />
      </Route>
      <Route path="/confirm-email" element={<ConfirmEmailPage />} />
      <Route path="/forgot-password" element={<ForgotPasswordPage />} />
      <Route path="/reset-password" element={<ResetPasswordPage />} />
      <Route element={<RequireSession />}>
        <Route element={<AppShell />}>
          <Route index element={<Navigate to="/media" replace />} />
          <Route path="/sessions" element={<SessionsPage />} />
          <Route path="/account" element={<AccountPage />} />
          <Route element={<RequireSecondFactor />}>
            <Route path="/media" element={<MediaPage />} />
            <Route path="/media/:id" element={<MediaDetailPage />} />
            <Route element={<RequireRole of="auditor" title="Audit log" />}>
              <Route path="/audit" element={<AuditPage />} />
            </Route>
            <Route element={<RequireRole of="admin" title="Administration" />}>
              <Route path="/admin" element={<AdminPage />} />
            </Route>
          </Route>
          <Route path="*" element={<NotFoundPage />} />
        </Route>
      </Route>
    </Routes>
  );
}

function SignIn() {
  const { registered } = locationStateSchema.parse(useLocation().state);
  return <SignInPage {...(registered === undefined ? {} : { email: registered })} />;
}

function Register() {
  const navigate = useNavigate();
  return (
    <RegisterPage onRegistered={(email) => void navigate('/sign-in', { state: { registered: email } })} />
  );
}
