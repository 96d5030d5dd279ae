import { type DragEvent, useId, useState } from 'react';

import { Alert } from '@/shared/components/Alert';
import { bytesText } from '@/shared/lib/bytes';

import './upload.css';

interface Props {
  /** The server's limit for one file, where it is known. */
  maxBytes: number | null;
  onFiles: (files: readonly File[]) => void;
}

/** Takes files that are dropped on it, or chosen from the file picker. */
export function UploadArea({ maxBytes, onFiles }: Props) {
  const id = useId();
  const [over, setOver] = useState(false);
  const [tooLarge, setTooLarge] = useState<readonly string[]>([]);
  const take = (list: FileList | null) => {
    const files = Array.from(list ?? []);
    const fits = (file: File) => maxBytes === null || file.size <= maxBytes;
    setTooLarge(files.filter((file) => !fits(file)).map((file) => file.name));
    onFiles(files.filter(fits));
  };
  const drag = (event: DragEvent, inside: boolean) => {
    event.preventDefault();
    setOver(inside);
  };
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- by keyboard: the file picker inside
    <div
      className="upload-area"
      role="group"
      aria-label="Upload"
      data-over={over}
      onDragEnter={(event) => {
        drag(event, true);
      }}
      onDragOver={(event) => {
        drag(event, true);
      }}
      onDragLeave={(event) => {
        drag(event, false);
      }}
      onDrop={(event) => {
        drag(event, false);
        take(event.dataTransfer.files);
      }}
    >
      <input
        id={id}
        type="file"
        multiple
        className="visually-hidden"
        onChange={(event) => {
          take(event.target.files);
          // So that the same file can be chosen again.
          event.target.value = '';
        }}
      />
      <p>
        Drop files here, or <label htmlFor={id}>choose files</label>
      </p>
      {maxBytes !== null && <p className="upload-limit">Up to {bytesText(maxBytes)} each</p>}
      {tooLarge.length > 0 && <Alert tone="danger">Too large for this server: {tooLarge.join(', ')}</Alert>}
    </div>
  );
}
