import { type Upload } from '@/features/media/upload-queue';
import { describeError } from '@/shared/api/problem';
import { Button } from '@/shared/components/Button';
import { bytesText } from '@/shared/lib/bytes';

interface Props {
  uploads: readonly Upload[];
  /** Breaks one off, or takes a failed one off the list. */
  onRemove: (id: number) => void;
  onRetry: (id: number) => void;
}

export function UploadList({ uploads, onRemove, onRetry }: Props) {
  if (uploads.length === 0) return null;
  return (
    <ul className="uploads" aria-label="Uploads">
      {uploads.map((upload) => (
        <li key={upload.id}>
          <span className="upload-name">{upload.name}</span>
          <UploadState upload={upload} />
          {upload.state === 'failed' && (
            <Button
              aria-label={`Upload ${upload.name} again`}
              onClick={() => {
                onRetry(upload.id);
              }}
            >
              Try again
            </Button>
          )}
          <Button
            look="quiet"
            aria-label={
              upload.state === 'failed' ? `Dismiss ${upload.name}` : `Cancel upload of ${upload.name}`
            }
            onClick={() => {
              onRemove(upload.id);
            }}
          >
            {upload.state === 'failed' ? 'Dismiss' : 'Cancel'}
          </Button>
        </li>
      ))}
    </ul>
  );
}

function UploadState({ upload }: { upload: Upload }) {
  if (upload.state === 'failed') {
    return (
      <span className="upload-error" role="alert">
        {describeError(upload.error)}
      </span>
    );
  }
  if (upload.state === 'waiting') return <span className="upload-note">Waiting</span>;
  const percent = Math.floor(upload.share * 100);
  return (
    <>
      <progress value={upload.share} max={1} aria-label={`Upload of ${upload.name}`} />
      <span className="upload-note">
        {percent} % of {bytesText(upload.bytes)}
      </span>
    </>
  );
}
