import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useSyncExternalStore } from 'react';

import { startJob } from '@/features/media/api/start-job';
import { uploadMedia } from '@/features/media/api/upload-media';
import { firstPresetsOf } from '@/features/media/presets';
import { UploadQueue } from '@/features/media/upload-queue';
import { type Media } from '@/shared/api/types';
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
      const onStored = async (media: Media) => {
        void queryClient.invalidateQueries({ queryKey: ['media'] });
        await begin(media);
        void queryClient.invalidateQueries({ queryKey: ['jobs'] });
      };
      queue.add(files, (media) => void onStored(media));
    },
    [queryClient],
  );
  const remove = useCallback((id: number) => {
    queue.remove(id);
  }, []);
  const retry = useCallback((id: number) => {
    queue.retry(id);
  }, []);
  useEffect(() => {
    window.addEventListener('beforeunload', askWhileBusy);
  }, []);
  return { uploads, add, remove, retry };
}

/** The first jobs on a new medium. One that cannot be started is offered on the medium's page all the same. */
async function begin(media: Media): Promise<void> {
  const jobs = firstPresetsOf(media).map((preset) => startJob({ mediaId: media.id, preset }));
  await Promise.allSettled(jobs);
}

function askWhileBusy(event: BeforeUnloadEvent): void {
  if (queue.isBusy) event.preventDefault();
}
