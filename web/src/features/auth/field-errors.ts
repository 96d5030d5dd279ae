import { ProblemError } from '@/shared/api/problem';

/** What a form says beneath its fields, and what is left to say above them. */
export interface FormErrors {
  of: (field: string) => string[];
  /** The error that belongs to no field of the form, for an alert; else null. */
  rest: unknown;
}

/**
 * Deals an error out to the fields of a form. `claims` gives problems that carry no field list, but plainly mean
 * one field (`email-taken`), to that field.
 */
export function formErrors(
  error: unknown,
  fields: readonly string[],
  claims: Readonly<Record<string, string>> = {},
): FormErrors {
  if (!(error instanceof ProblemError)) return { of: () => [], rest: error };
  const claimed = claims[error.slug];
  const entries =
    claimed === undefined ? error.fields : [{ field: claimed, code: error.slug, message: error.message }];
  const isShown = entries.length > 0 && entries.every(({ field }) => fields.includes(field));
  return {
    of: (field) => entries.filter((entry) => entry.field === field).map(({ message }) => sentence(message)),
    rest: isShown ? null : leftover(error, entries, fields),
  };
}

/** Fields that the form does not have must not vanish: they are named in the alert. */
function leftover(
  error: ProblemError,
  entries: ProblemError['fields'],
  fields: readonly string[],
): ProblemError {
  const unknown = entries.filter(({ field }) => !fields.includes(field));
  if (unknown.length === 0) return error;
  const detail = unknown.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return new ProblemError({ status: error.status, slug: error.slug, detail, requestId: error.requestId });
}

function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}
