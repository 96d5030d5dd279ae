import { Alert } from '@/shared/components/Alert';
import { ButtonLink } from '@/shared/components/ButtonLink';
import { Page } from '@/shared/components/Page';

/** Stands where a page would be that the server keeps for accounts with a second factor. */
export function SecondFactorDuePage() {
  return (
    <Page title="Set up two-factor authentication">
      <Alert>
        This account must have a second factor. Until it is on, you can do little else here: set up an
        authenticator app first.
      </Alert>
      <ButtonLink to="/account">Set it up</ButtonLink>
    </Page>
  );
}
