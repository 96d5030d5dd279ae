import { type SyntheticEvent, useId, useState } from 'react';

import { hasSeek } from '@/features/media/presets';
import { secondsToMs } from '@/features/media/seek';
import { type Media, type Preset, type Wire } from '@/shared/api/types';
import { Button } from '@/shared/components/Button';

export type JobFormLook = 'plain' | 'quiet';

interface Props {
  /** On the button. */
  label: string;
  look: JobFormLook;
  media: Media;
  preset: Preset;
  busy: boolean;
  onStart: (options: Wire['JobOptions'] | undefined) => void;
}

/** The button that starts a job, with what may be chosen for it. */
export function JobForm({ label, look, media, preset, busy, onStart }: Props) {
  const id = useId();
  const [seek, setSeek] = useState('');
  const seekMs = secondsToMs(seek);
  const isOffered = hasSeek(preset) && !media.content_type.startsWith('image/');
  const isWrong = seek !== '' && seekMs === null;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!isWrong) onStart(seekMs === null ? undefined : { seek_ms: seekMs });
  };
  return (
    <form className="job-form" onSubmit={submit} noValidate>
      {isOffered && (
        <>
          <label htmlFor={id}>At second</label>
          <input
            id={id}
            inputMode="decimal"
            autoComplete="off"
            placeholder="auto"
            value={seek}
            aria-invalid={isWrong || undefined}
            aria-describedby={isWrong ? `${id}-error` : undefined}
            onChange={(event) => {
              setSeek(event.target.value);
            }}
          />
        </>
      )}
      <Button type="submit" look={look} busy={busy} aria-label={`${label}: ${media.name}`}>
        {label}
      </Button>
      {isWrong && (
        <span id={`${id}-error`} className="job-form-error">
          Seconds from the beginning, for example 2.5
        </span>
      )}
    </form>
  );
}
