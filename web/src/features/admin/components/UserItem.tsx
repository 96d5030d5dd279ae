import { useState } from 'react';

import { type AdminUser, type Role, ROLES, useAct } from '@/features/admin/api/users';
import { AskingButton } from '@/features/admin/components/AskingButton';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Badge } from '@/shared/components/Badge';
import { Button } from '@/shared/components/Button';
import { Timestamp } from '@/shared/components/Timestamp';

const DONE = {
  disable: 'The account is disabled and signed out everywhere.',
  enable: 'The account can sign in again.',
  'end-sessions': 'Every session of the account has ended.',
  'reset-totp': 'The second factor is off.',
  roles: 'The roles are changed.',
} as const;

export function UserItem({ user }: { user: AdminUser }) {
  const act = useAct(user.id);
  return (
    <li className="admin-item">
      <h3>{user.email}</h3>
      <div className="admin-badges">
        {user.state === 'disabled' && <Badge tone="danger">Disabled</Badge>}
        {user.roles.map((role) => (
          <Badge key={role} tone="accent">
            {role}
          </Badge>
        ))}
        {user.totp_enabled && <Badge>Two-factor</Badge>}
      </div>
      <p className="admin-facts">
        {user.name && `${user.name} · `}
        <code>{user.id}</code> · registered <Timestamp iso={user.created_at} />
      </p>
      {act.isSuccess && <Alert>{DONE[act.variables.kind]}</Alert>}
      <ErrorAlert error={act.error} />
      <RolesForm
        key={user.roles.join()}
        user={user}
        busy={act.isPending}
        onRoles={(roles) => {
          act.mutate({ kind: 'roles', roles });
        }}
      />
      <Acts user={user} act={act} />
    </li>
  );
}

function Acts({ user, act }: { user: AdminUser; act: ReturnType<typeof useAct> }) {
  const button = { busy: act.isPending };
  return (
    <div className="admin-acts">
      {user.state === 'active' ? (
        <AskingButton
          {...button}
          label="Disable"
          name={`Disable ${user.email}`}
          title="Disable this account?"
          onConfirm={() => {
            act.mutate({ kind: 'disable' });
          }}
        >
          <strong>{user.email}</strong> is signed out everywhere at once and cannot sign in.
        </AskingButton>
      ) : (
        <Button
          {...button}
          aria-label={`Enable ${user.email}`}
          onClick={() => {
            act.mutate({ kind: 'enable' });
          }}
        >
          Enable
        </Button>
      )}
      <AskingButton
        {...button}
        label="End sessions"
        name={`End the sessions of ${user.email}`}
        title="End every session?"
        onConfirm={() => {
          act.mutate({ kind: 'end-sessions' });
        }}
      >
        <strong>{user.email}</strong> is signed out everywhere at once and can sign in again.
      </AskingButton>
      {user.totp_enabled && (
        <AskingButton
          {...button}
          label="Reset second factor"
          name={`Reset the second factor of ${user.email}`}
          title="Reset the second factor?"
          onConfirm={() => {
            act.mutate({ kind: 'reset-totp' });
          }}
        >
          From then on the password alone lets <strong>{user.email}</strong> in. Be sure who asked for it.
        </AskingButton>
      )}
    </div>
  );
}

interface RolesProps {
  user: AdminUser;
  busy: boolean;
  onRoles: (roles: readonly Role[]) => void;
}

function RolesForm({ user, busy, onRoles }: RolesProps) {
  const [chosen, setChosen] = useState<readonly Role[]>(ROLES.filter((role) => user.roles.includes(role)));
  return (
    <form
      className="admin-roles"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) onRoles(chosen);
      }}
    >
      <fieldset>
        <legend>Roles</legend>
        {ROLES.map((role) => (
          <label key={role}>
            <input
              type="checkbox"
              checked={chosen.includes(role)}
              onChange={(event) => {
                const others = chosen.filter((other) => other !== role);
                setChosen(event.target.checked ? [...others, role] : others);
              }}
            />
            {role}
          </label>
        ))}
      </fieldset>
      <Button type="submit" busy={busy} aria-label={`Save the roles of ${user.email}`}>
        Save roles
      </Button>
    </form>
  );
}
