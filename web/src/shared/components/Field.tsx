import { type ComponentProps, type ReactNode, useId } from 'react';

import './field.css';

interface Props extends Omit<ComponentProps<'input'>, 'id' | 'className' | 'name'> {
  name: string;
  label: string;
  hint?: ReactNode;
  /** What is wrong with the value; all of it. */
  errors?: readonly string[];
  /** Stands inside the frame, after the input. */
  trailing?: ReactNode;
}

/** A labelled input whose hint and errors are read out with it. */
export function Field({ label, hint, errors = [], trailing, ...input }: Props) {
  const id = useId();
  const described = [hint ? `${id}-hint` : '', errors.length > 0 ? `${id}-errors` : ''].join(' ').trim();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="field-frame">
        <input
          {...input}
          id={id}
          aria-invalid={errors.length > 0 || undefined}
          aria-describedby={described || undefined}
        />
        {trailing}
      </div>
      {hint && (
        <div id={`${id}-hint`} className="field-hint">
          {hint}
        </div>
      )}
      {errors.length > 0 && (
        <ul id={`${id}-errors`} className="field-errors">
          {errors.map((error) => (
            <li key={error}>{error}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
