import { useMutation } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { NetworkError } from '@/shared/api/problem';
import { saveFile } from '@/shared/lib/save-file';

/** The server breaks off rather than end a document that is not whole: half of one is never saved. */
async function exportData(): Promise<void> {
  const response = await call('/v1/me/export');
  const blob = await response.blob().catch((cause: unknown) => {
    throw new NetworkError('the document broke off', { cause });
  });
  saveFile(blob, `gatelog-export-${new Date().toISOString().slice(0, 10)}.json`);
}

export function useExportData() {
  return useMutation({ mutationFn: exportData, gcTime: 0 });
}
