import { metadataRows, metadataSchema } from '@/features/media/metadata';
import { type Job } from '@/shared/api/types';

export function MetadataResult({ job }: { job: Job }) {
  const metadata = metadataSchema.safeParse(job.result);
  if (!metadata.success) return <p>The job found nothing to show.</p>;
  return (
    <dl className="facts">
      {metadataRows(metadata.data).map(([label, text], index) => (
        <Row key={index} label={label} text={text} />
      ))}
    </dl>
  );
}

function Row({ label, text }: { label: string; text: string }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{text}</dd>
    </>
  );
}
