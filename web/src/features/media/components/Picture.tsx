import { useEffect, useState } from 'react';

import { useOutput } from '@/features/media/api/get-output';
import { type OutputOf } from '@/features/media/jobs';
import { ErrorAlert } from '@/shared/components/Alert';

interface Props {
  output: OutputOf;
  alt: string;
}

/** Fetched with the token in a header and shown from memory: an `img` cannot send one. */
export function Picture({ output, alt }: Props) {
  const { data: blob, error } = useOutput(output.jobId, output.name);
  const url = useObjectUrl(blob);
  if (error) return <ErrorAlert error={error} />;
  return url === null ? (
    <div className="poster poster-loading" />
  ) : (
    <img className="poster" src={url} alt={alt} />
  );
}

/** A `blob:` URL for as long as it is shown. */
function useObjectUrl(blob: Blob | undefined): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === undefined) return;
    const made = URL.createObjectURL(blob);
    // eslint-disable-next-line react-hooks/set-state-in-effect -- the URL is a resource that an effect must own
    setUrl(made);
    return () => {
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}
