import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useSyncExternalStore } from 'react';

import { uploadMedia } from '@/features/media/api/upload-media';
import { UploadQueue } from '@/features/media/upload-queue';
import { tokenStore } from '@/shared/auth/token-store';

const queue = new UploadQueue(uploadMedia);

tokenStore.subscribe(() => {
  if (tokenStore.state().tokens === null) queue.clear();
});

/** The uploads of this tab, and what can be done with them. Asks before the tab is closed on one. */
export function useUploads() {
  const queryClient = useQueryClient();
  const uploads = useSyncExternalStore(queue.subscribe, queue.uploads);
  const add = useCallback(
    (files: readonly File[]) => {
      queue.add(files, () => void queryClient.invalidateQueries({ queryKey: ['media'] }));
    },
    [queryClient],
  );
  const remove = useCallback((id: number) => {
    queue.remove(id);
  }, []);
  useEffect(() => {
    window.addEventListener('beforeunload', askWhileBusy);
  }, []);
  return { uploads, add, remove };
}

function askWhileBusy(event: BeforeUnloadEvent): void {
  if (queue.isBusy) event.preventDefault();
}
