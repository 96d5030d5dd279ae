import { type Linked, useCreateLink } from '@/features/media/api/create-link';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { saveUrl } from '@/shared/lib/save-file';

interface Props extends Linked {
  /** What it saves, for those who hear the button without seeing where it stands. */
  label: string;
}

/** Saves a file of any size: the browser itself fetches it, by a link. */
export function DownloadButton({ label, ...linked }: Props) {
  const link = useCreateLink();
  return (
    <>
      <Button
        look="quiet"
        busy={link.isPending}
        aria-label={`Download: ${label}`}
        onClick={() => {
          link.mutate(linked, {
            onSuccess: (url) => {
              saveUrl(url, linked.output?.name ?? '');
            },
          });
        }}
      >
        Download
      </Button>
      <ErrorAlert error={link.error} />
    </>
  );
}
