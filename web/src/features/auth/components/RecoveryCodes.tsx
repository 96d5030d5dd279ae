import { useState } from 'react';

import { Alert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';
import { saveFile } from '@/shared/lib/save-file';

const OUTCOMES = {
  none: '',
  copied: 'Copied.',
  refused: 'The browser does not allow copying: select the codes instead.',
} as const;

/** New recovery codes, to be put in a safe place: they are never shown again. */
export function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  const [outcome, setOutcome] = useState<keyof typeof OUTCOMES>('none');
  const text = `${codes.join('\n')}\n`;
  // Without https there is no clipboard at all; then that fails like a refusal.
  const copy = async () => {
    await navigator.clipboard.writeText(text);
  };
  return (
    <Alert>
      <p>Keep these recovery codes in a safe place. Each works once, and they are not shown again.</p>
      <ul className="recovery-codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className="account-actions">
        <Button
          onClick={() => {
            copy().then(
              () => {
                setOutcome('copied');
              },
              () => {
                setOutcome('refused');
              },
            );
          }}
        >
          Copy
        </Button>
        <Button
          onClick={() => {
            saveFile(new Blob([text], { type: 'text/plain' }), 'gatelog-recovery-codes.txt');
          }}
        >
          Download
        </Button>
        <span>{OUTCOMES[outcome]}</span>
      </div>
    </Alert>
  );
}
