import { type ReactNode, useState } from 'react';

import { Field } from '@/shared/components/Field';
import { Button } from '@/shared/components/Button';

interface Props {
  /** As the server names the field. */
  name?: string;
  label?: string;
  value: string;
  onChange: (value: string) => void;
  autoComplete: 'current-password' | 'new-password';
  hint?: ReactNode;
  errors?: readonly string[];
}

/** A password that can be looked at; password managers and pasting work. */
export function PasswordField(props: Props) {
  const { name = 'password', label = 'Password', value, onChange, autoComplete, hint, errors = [] } = props;
  const [shown, setShown] = useState(false);
  return (
    <Field
      name={name}
      label={label}
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
          aria-label={`Show ${label.toLowerCase()}`}
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
