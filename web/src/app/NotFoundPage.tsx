import { Link } from 'react-router';

import { Page } from '@/shared/components/Page';

export function NotFoundPage() {
  return (
    <Page title="Nothing here">
      <p>
        There is no such page. <Link to="/media">Go to your media</Link>
      </p>
    </Page>
  );
}
