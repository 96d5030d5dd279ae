import { Link } from 'react-router';

import { Picture } from '@/features/media/components/Picture';
import { countJobs, type JobCounts, thumbnailOf } from '@/features/media/jobs';
import { type Job, type Media } from '@/shared/api/types';
import { Badge } from '@/shared/components/Badge';
import { Timestamp } from '@/shared/components/Timestamp';
import { bytesText } from '@/shared/lib/bytes';

interface Props {
  media: Media;
  /** All that are known; this item picks its own. */
  jobs: readonly Job[];
}

/** One medium in the list: what it looks like, what it is, how far it is. */
export function MediaItem({ media, jobs }: Props) {
  const thumbnail = thumbnailOf(jobs, media.id);
  return (
    <li className="media-item" data-media={media.id}>
      <div className="media-thumb">
        {thumbnail === undefined ? (
          <span className="media-kind" aria-hidden="true">
            {kindOf(media)}
          </span>
        ) : (
          <Picture output={thumbnail} alt="" />
        )}
      </div>
      <div className="media-about">
        <h2>
          <Link to={`/media/${media.id}`}>{media.name}</Link>
        </h2>
        <p>
          {media.content_type} · {bytesText(media.bytes)} · <Timestamp iso={media.created_at} />
        </p>
        <JobBadges counts={countJobs(jobs, media.id)} />
      </div>
    </li>
  );
}

function kindOf({ content_type }: Media): string {
  if (content_type.startsWith('image/')) return 'Picture';
  return content_type.startsWith('audio/') ? 'Sound' : 'Film';
}

function JobBadges({ counts: { running, failed, made } }: { counts: JobCounts }) {
  return (
    <div className="media-badges">
      {running > 0 && <Badge tone="accent">{`${running} under way`}</Badge>}
      {failed > 0 && <Badge tone="danger">{`${failed} failed`}</Badge>}
      {made > 0 && <Badge>{`${made} made`}</Badge>}
      {running + failed + made === 0 && <Badge>Stored</Badge>}
    </div>
  );
}
