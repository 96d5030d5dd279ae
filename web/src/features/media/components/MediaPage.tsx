import { useJobs } from '@/features/media/api/list-jobs';
import { useMediaList } from '@/features/media/api/list-media';
import { MediaItem } from '@/features/media/components/MediaItem';
import { UploadArea } from '@/features/media/components/UploadArea';
import { UploadList } from '@/features/media/components/UploadList';
import { useUploads } from '@/features/media/use-uploads';
import { useConfig } from '@/shared/api/get-config';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { ListState } from '@/shared/components/ListState';
import { Page } from '@/shared/components/Page';

import './media.css';

/** Everything that the account has stored. What can be made of it stands on each medium's own page. */
export function MediaPage() {
  const config = useConfig();
  const media = useMediaList();
  const jobs = useJobs({ isWatched: true });
  const { uploads, add, remove, retry } = useUploads();
  const items = media.data ?? [];
  return (
    <Page title="Media">
      <UploadArea maxBytes={config.data?.upload.max_bytes ?? null} onFiles={add} />
      <UploadList uploads={uploads} onRemove={remove} onRetry={retry} />
      <ErrorAlert error={jobs.error} />
      <ListState
        isPending={media.isPending}
        error={media.error}
        isEmpty={items.length === 0}
        empty="Nothing here yet. Upload a video, some sound or a picture to begin."
        onRetry={() => void media.refetch()}
      >
        <ul className="media-list" aria-label="Your media">
          {items.map((item) => (
            <MediaItem key={item.id} media={item} jobs={jobs.data ?? []} />
          ))}
        </ul>
        {media.hasNextPage && (
          <Button busy={media.isFetchingNextPage} onClick={() => void media.fetchNextPage()}>
            Show more
          </Button>
        )}
      </ListState>
    </Page>
  );
}
