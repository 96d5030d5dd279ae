import { useDeleteMedia } from '@/features/media/api/delete-media';
import { type Media } from '@/shared/api/types';
import { ConfirmDialog } from '@/shared/components/ConfirmDialog';

interface Props {
  media: Media;
  onDeleted: () => void;
  onClose: () => void;
}

export function DeleteMediaDialog({ media, onDeleted, onClose }: Props) {
  const deleteMedia = useDeleteMedia();
  return (
    <ConfirmDialog
      title="Delete this file?"
      confirmLabel="Delete"
      busy={deleteMedia.isPending}
      error={deleteMedia.error}
      onClose={onClose}
      onConfirm={() => {
        deleteMedia.mutate(media.id, { onSuccess: onDeleted });
      }}
    >
      <strong>{media.name}</strong> and everything made from it are removed for good.
    </ConfirmDialog>
  );
}
