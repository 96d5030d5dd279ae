import { ServiceKeysSection } from '@/features/admin/components/ServiceKeysSection';
import { SessionsSection } from '@/features/admin/components/SessionsSection';
import { UsersSection } from '@/features/admin/components/UsersSection';
import { Page } from '@/shared/components/Page';

import './admin.css';

/** For accounts with the role admin. Every act is written into the log with its actor. */
export function AdminPage() {
  return (
    <Page title="Administration">
      <UsersSection />
      <SessionsSection />
      <ServiceKeysSection />
    </Page>
  );
}
