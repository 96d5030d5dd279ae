import { useMe } from '@/features/auth/api/get-me';
import { ChangeEmailSection } from '@/features/auth/components/ChangeEmailSection';
import { ChangePasswordForm } from '@/features/auth/components/ChangePasswordForm';
import { SecondFactorSection } from '@/features/auth/components/SecondFactorSection';
import { DEFAULT_PASSWORD_POLICY, useConfig } from '@/shared/api/get-config';
import { ListState } from '@/shared/components/ListState';
import { Page } from '@/shared/components/Page';

import './auth-card.css';

export function AccountPage() {
  const me = useMe();
  const config = useConfig();
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
            <ChangeEmailSection user={me.data} />
            <section aria-labelledby="change-password">
              <h2 id="change-password">Change password</h2>
              <ChangePasswordForm
                policy={config.data?.password ?? DEFAULT_PASSWORD_POLICY}
                identity={[me.data.email, me.data.name ?? '']}
                email={me.data.email}
              />
            </section>
            <SecondFactorSection user={me.data} />
          </>
        )}
      </ListState>
    </Page>
  );
}
