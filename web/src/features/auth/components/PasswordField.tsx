import { type ReactNode, useState } from 'react';

import { Field } from '@/shared/components/Field';
import { Button } from '@/shared/components/Button';

interface Props {
  value: string;
  onChange: (value: string) => void;
  autoComplete: 'current-password' | 'new-password';
  hint?: ReactNode;
  errors?: readonly string[];
}

/** A password that can be looked at; password managers and pasting work. */
export function PasswordField({ value, onChange, autoComplete, hint, errors = [] }: Props) {
  const [shown, setShown] = useState(false);
  return (
    <Field
      name="password"
      label="Password"
      type={shown ? 'text' : 'password'}
      autoComplete={autoComplete}
      autoCapitalize="off"
      spellCheck={false}
      required
      value={value}
      onChange={(event) => {
        onChange(event.target.value);
      }}
      hint={hint}
      errors={errors}
      trailing={
        <Button
          look="quiet"
          aria-pressed={shown}
          aria-label="Show password"
          onClick={() => {
            setShown(!shown);
          }}
        >
          {shown ? 'Hide' : 'Show'}
        </Button>
      }
    />
  );
}
