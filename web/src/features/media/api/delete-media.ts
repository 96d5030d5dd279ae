import { useMutation, useQueryClient } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';

async function deleteMedia(id: string): Promise<void> {
  await call(`/v1/media/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export function useDeleteMedia() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: deleteMedia,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['media'] }),
  });
}
