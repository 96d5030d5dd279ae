import { useEffect, useRef } from 'react';

import { useWaveform } from '@/features/media/api/get-waveform';
import { columnsOf, type Waveform, waveformText } from '@/features/media/waveform';
import { type Job } from '@/shared/api/types';
import { ErrorAlert } from '@/shared/components/Alert';

interface Props {
  job: Job;
  label: string;
}

export function WaveformResult({ job, label }: Props) {
  const peaks = job.outputs.find(({ content_type }) => content_type === 'application/json');
  if (peaks === undefined) return <p>The job found no peaks.</p>;
  return <Peaks jobId={job.id} name={peaks.name} label={label} />;
}

function Peaks({ jobId, name, label }: { jobId: string; name: string; label: string }) {
  const { data: waveform, error } = useWaveform(jobId, name);
  if (error) return <ErrorAlert error={error} />;
  return waveform === undefined ? (
    <div className="waveform" />
  ) : (
    <Drawing waveform={waveform} label={`${label}: ${waveformText(waveform)}`} />
  );
}

/** Drawn for the size and the colours that it has on screen, and anew when these change. */
function Drawing({ waveform, label }: { waveform: Waveform; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const redraw = () => {
      draw(element, waveform);
    };
    const scheme = window.matchMedia('(prefers-color-scheme: dark)');
    const sizes = new ResizeObserver(redraw);
    sizes.observe(element);
    scheme.addEventListener('change', redraw);
    return () => {
      sizes.disconnect();
      scheme.removeEventListener('change', redraw);
    };
  }, [waveform]);
  return (
    <figure className="waveform" role="img" aria-label={label}>
      <canvas ref={canvas} />
    </figure>
  );
}

function draw(canvas: HTMLCanvasElement, waveform: Waveform): void {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
    Math.round(side * window.devicePixelRatio),
  );
  const context = canvas.getContext('2d');
  if (context === null || !width || !height) return;
  canvas.width = width;
  canvas.height = height;
  context.fillStyle = getComputedStyle(canvas).color;
  const columns = columnsOf(waveform, width);
  const step = width / columns.length;
  columns.forEach(({ low, high }, index) => {
    const top = ((1 - high) * height) / 2;
    context.fillRect(index * step, top, step, Math.max(1, ((high - low) * height) / 2));
  });
}
