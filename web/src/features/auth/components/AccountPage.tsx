import { useMe } from '@/features/auth/api/get-me';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { ActivitySection } from '@/features/auth/components/ActivitySection';
import { ChangeEmailSection } from '@/features/auth/components/ChangeEmailSection';
import { ChangeNameSection } from '@/features/auth/components/ChangeNameSection';
import { ChangePasswordForm } from '@/features/auth/components/ChangePasswordForm';
import { DeletionSection } from '@/features/auth/components/DeletionSection';
import { ExportSection } from '@/features/auth/components/ExportSection';
import { SecondFactorSection } from '@/features/auth/components/SecondFactorSection';
import { isFactorDue } from '@/features/auth/is-factor-due';
import { DEFAULT_PASSWORD_POLICY, useConfig } from '@/shared/api/get-config';
import { Alert } from '@/shared/components/Alert';
import { ListState } from '@/shared/components/ListState';
import { Page } from '@/shared/components/Page';

import './auth-card.css';

export function AccountPage() {
  const me = useMe();
  const config = useConfig();
  const isDue = isFactorDue(me.data);
  return (
    <Page title="Account">
      <ListState
        isPending={me.isPending}
        error={me.error}
        isEmpty={false}
        empty=""
        onRetry={() => void me.refetch()}
      >
        {me.data && (
          <>
            {isDue && (
              <Alert>This account must have a second factor. Set it up below to use everything else.</Alert>
            )}
            {!isDue && <ChangeNameSection user={me.data} />}
            <ChangeEmailSection user={me.data} />
            <AccountSection title="Change password">
              <ChangePasswordForm
                policy={config.data?.password ?? DEFAULT_PASSWORD_POLICY}
                identity={[me.data.email, me.data.name ?? '']}
                email={me.data.email}
              />
            </AccountSection>
            <SecondFactorSection user={me.data} />
            {!isDue && <ActivitySection />}
            {!isDue && <ExportSection />}
            <DeletionSection user={me.data} />
          </>
        )}
      </ListState>
    </Page>
  );
}
