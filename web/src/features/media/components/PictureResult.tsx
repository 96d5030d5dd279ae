import { DownloadButton } from '@/features/media/components/DownloadButton';
import { Picture } from '@/features/media/components/Picture';
import { pictureOf } from '@/features/media/jobs';
import { type Job } from '@/shared/api/types';

interface Props {
  job: Job;
  alt: string;
}

/** The picture that a job made: a poster, a smaller copy, the drawing of a sound. */
export function PictureResult({ job, alt }: Props) {
  const name = pictureOf(job);
  if (name === undefined) return <p>The job made no picture.</p>;
  return (
    <>
      <Picture jobId={job.id} name={name} alt={alt} />
      <DownloadButton mediaId={job.media_id} output={{ job: job.id, name }} label={alt} />
    </>
  );
}
