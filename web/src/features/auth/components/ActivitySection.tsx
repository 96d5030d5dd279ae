import { actorText, activityText } from '@/features/auth/activity-text';
import { type Activity, useActivity } from '@/features/auth/api/list-activity';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { useAuth } from '@/shared/auth/use-auth';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';
import { ListState } from '@/shared/components/ListState';
import { Timestamp } from '@/shared/components/Timestamp';

/** Who reads it can tell whether all of it was their own doing. */
export function ActivitySection() {
  const activity = useActivity();
  const items = activity.data ?? [];
  return (
    <AccountSection title="Recent activity">
      <p>If something here was not you, change your password and sign out everywhere else.</p>
      <ListState
        isPending={activity.isPending}
        error={activity.error}
        isEmpty={items.length === 0}
        empty="Nothing has happened yet."
        onRetry={() => void activity.refetch()}
      >
        <ol className="activity" aria-label="Recent activity">
          {items.map((item, index) => (
            <ActivityItem key={index} item={item} />
          ))}
        </ol>
        {activity.hasNextPage && (
          <Button busy={activity.isFetchingNextPage} onClick={() => void activity.fetchNextPage()}>
            Show more
          </Button>
        )}
      </ListState>
    </AccountSection>
  );
}

function ActivityItem({ item }: { item: Activity }) {
  const { tokens } = useAuth();
  const isHere = Boolean(item.session_id) && item.session_id === tokens?.sessionId;
  return (
    <li data-type={item.type}>
      <span className="activity-what">
        {activityText(item)} <span className="activity-by">{actorText(item)}</span>
        {isHere && <Badge tone="accent">This session</Badge>}
      </span>
      <Timestamp iso={item.at} />
    </li>
  );
}
