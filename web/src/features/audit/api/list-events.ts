import { keepPreviousData, useQuery } from '@tanstack/react-query';

import { call } from '@/shared/api/authorized';
import { readJson } from '@/shared/api/transport';
import { z } from '@/shared/lib/zod';

/** A CloudEvents 1.0 event with the log's extensions, as far as the page shows it by name. */
const eventSchema = z.object({
  id: z.string(),
  type: z.string(),
  time: z.string(),
  position: z.coerce.number(),
  stream: z.string().nullish(),
  actor: z.string().nullish(),
  data: z.unknown(),
});
export type AuditEvent = z.infer<typeof eventSchema>;

const eventsSchema = z.object({
  items: z.array(eventSchema),
  next_after: z.number().nullish(),
  /** The position of the newest event in the log. */
  head: z.number(),
});

export const PAGE_SIZE = 50;

async function listEvents(after: number, signal: AbortSignal) {
  const response = await call('/v1/audit/events', { query: { after, limit: PAGE_SIZE }, signal });
  return readJson(response, eventsSchema);
}

/** The events that follow the position `after`. Turning a page keeps the old one in sight until the new is there. */
export function useEvents(after: number) {
  return useQuery({
    queryKey: ['audit-events', after],
    queryFn: ({ signal }) => listEvents(after, signal),
    placeholderData: keepPreviousData,
  });
}
