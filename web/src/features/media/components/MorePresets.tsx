import { useStartJob } from '@/features/media/api/start-job';
import { PRESET_TEXTS } from '@/features/media/presets';
import { type Media, type Preset } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

interface Props {
  media: Media;
  presets: readonly Preset[];
}

/** What else can be made of a medium. Each gets a panel of its own with its job. */
export function MorePresets({ media, presets }: Props) {
  const start = useStartJob();
  if (presets.length === 0) return null;
  return (
    <div className="media-more">
      <ul aria-label={`Make more of ${media.name}`}>
        {presets.map((preset) => (
          <li key={preset}>
            <Button
              busy={start.isPending}
              aria-label={`${PRESET_TEXTS[preset].action}: ${media.name}`}
              title={PRESET_TEXTS[preset].about}
              onClick={() => {
                start.mutate({ mediaId: media.id, preset });
              }}
            >
              {PRESET_TEXTS[preset].action}
            </Button>
          </li>
        ))}
      </ul>
      <ErrorAlert error={start.error} />
    </div>
  );
}
