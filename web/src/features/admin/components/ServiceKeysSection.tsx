import { useState } from 'react';

import {
  SCOPES,
  type ServiceKey,
  useCreateServiceKey,
  useRevokeServiceKey,
  useServiceKeys,
  type Wanted,
} from '@/features/admin/api/service-keys';
import { AskingButton } from '@/features/admin/components/AskingButton';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';
import { ListState } from '@/shared/components/ListState';
import { Timestamp } from '@/shared/components/Timestamp';

const NOTHING: Wanted = { name: '', scopes: [], expires: '' };

export function ServiceKeysSection() {
  const keys = useServiceKeys();
  const items = keys.data ?? [];
  return (
    <section aria-labelledby="admin-service-keys">
      <h2 id="admin-service-keys">Service keys</h2>
      <CreateForm />
      <ListState
        isPending={keys.isPending}
        error={keys.error}
        isEmpty={items.length === 0}
        empty="There is no service key."
        onRetry={() => void keys.refetch()}
      >
        <ul className="admin-list" aria-label="Service keys">
          {items.map((key) => (
            <ServiceKeyItem key={key.id} serviceKey={key} />
          ))}
        </ul>
        {keys.hasNextPage && (
          <Button busy={keys.isFetchingNextPage} onClick={() => void keys.fetchNextPage()}>
            Show more
          </Button>
        )}
      </ListState>
    </section>
  );
}

function CreateForm() {
  const [wanted, setWanted] = useState(NOTHING);
  const create = useCreateServiceKey();
  const send = () => {
    create.mutate(wanted, {
      onSuccess: () => {
        setWanted(NOTHING);
      },
    });
  };
  return (
    <>
      {create.data && (
        <Alert>
          The key of {create.data.name}, shown this once: <code>{create.data.key}</code>
        </Alert>
      )}
      <ErrorAlert error={create.error} />
      <form
        className="admin-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!create.isPending) send();
        }}
      >
        <CreateFields wanted={wanted} onChange={setWanted} />
        <Button type="submit" look="primary" busy={create.isPending}>
          Make a service key
        </Button>
      </form>
    </>
  );
}

function CreateFields({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
  return (
    <>
      <Field
        name="name"
        label="Name of the service"
        hint="It stands in the log: never a person's name."
        autoComplete="off"
        required
        value={wanted.name}
        onChange={(event) => {
          onChange({ ...wanted, name: event.target.value });
        }}
      />
      <fieldset>
        <legend>What it may do</legend>
        {SCOPES.map(([scope, label]) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={wanted.scopes.includes(scope)}
              onChange={(event) => {
                const others = wanted.scopes.filter((other) => other !== scope);
                onChange({ ...wanted, scopes: event.target.checked ? [...others, scope] : others });
              }}
            />
            {label}
          </label>
        ))}
      </fieldset>
      <Field
        name="expires"
        label="Last day (optional)"
        type="date"
        value={wanted.expires}
        onChange={(event) => {
          onChange({ ...wanted, expires: event.target.value });
        }}
      />
    </>
  );
}

function ServiceKeyItem({ serviceKey: key }: { serviceKey: ServiceKey }) {
  const revoke = useRevokeServiceKey();
  return (
    <li className="admin-item">
      <h3>{key.name}</h3>
      <div className="admin-badges">
        {key.revoked_at && <Badge tone="danger">Revoked</Badge>}
        {key.scopes.map((scope) => (
          <Badge key={scope}>{scope}</Badge>
        ))}
      </div>
      <p className="admin-facts">
        <code>{key.id}</code> · made <Timestamp iso={key.created_at} />
        {key.expires_at && (
          <>
            {' '}
            · ends <Timestamp iso={key.expires_at} />
          </>
        )}
      </p>
      <ErrorAlert error={revoke.error} />
      {!key.revoked_at && (
        <AskingButton
          label="Revoke"
          name={`Revoke the key of ${key.name}`}
          title="Revoke this service key?"
          busy={revoke.isPending}
          onConfirm={() => {
            revoke.mutate(key.id);
          }}
        >
          <strong>{key.name}</strong> is refused at once.
        </AskingButton>
      )}
    </li>
  );
}
