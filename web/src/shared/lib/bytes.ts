const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes for people, in binary units: "1.0 MiB". */
export function bytesText(bytes: number): string {
  let text = `${bytes} bytes`;
  let size = bytes;
  for (const unit of UNITS) {
    if (size < 1024) break;
    size /= 1024;
    text = `${size.toFixed(1)} ${unit}`;
  }
  return text;
}
