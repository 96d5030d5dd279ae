import { type Job } from '@/shared/api/types';

/** "42 %"; nothing while it is not known: another node of the server may drive the job. */
export function describeProgress({ progress }: Job): string {
  return progress ? `${Math.floor(progress * 100)} %` : '';
}
