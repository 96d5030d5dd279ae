/** Long enough for any browser to have taken the bytes over. */
const KEEP_MS = 60_000;

/** Saves bytes under a name, as a download would. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  saveUrl(url, name);
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, KEEP_MS);
}

/** Has the browser itself fetch and save what a URL of this server leads to. Without a name the server gives one. */
export function saveUrl(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
