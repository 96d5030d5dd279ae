import { useState } from 'react';

import { type Search, useUsers } from '@/features/admin/api/users';
import { UserItem } from '@/features/admin/components/UserItem';
import { Button } from '@/shared/components/Button';
import { Field } from '@/shared/components/Field';
import { ListState } from '@/shared/components/ListState';

const EVERYBODY: Search = { query: '', role: '', state: '' };

export function UsersSection() {
  const [search, setSearch] = useState(EVERYBODY);
  const users = useUsers(search);
  const items = users.data ?? [];
  return (
    <section aria-labelledby="admin-users">
      <h2 id="admin-users">Accounts</h2>
      <SearchForm onSearch={setSearch} />
      <ListState
        isPending={users.isPending}
        error={users.error}
        isEmpty={items.length === 0}
        empty="No account is like that."
        onRetry={() => void users.refetch()}
      >
        <ul className="admin-list" aria-label="Accounts">
          {items.map((user) => (
            <UserItem key={user.id} user={user} />
          ))}
        </ul>
        {users.hasNextPage && (
          <Button busy={users.isFetchingNextPage} onClick={() => void users.fetchNextPage()}>
            Show more
          </Button>
        )}
      </ListState>
    </section>
  );
}

function SearchForm({ onSearch }: { onSearch: (search: Search) => void }) {
  const [search, setSearch] = useState(EVERYBODY);
  return (
    <form
      role="search"
      className="admin-search"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch({ ...search, query: search.query.trim() });
      }}
    >
      <Field
        name="query"
        label="Address or identifier"
        hint="The whole address, or the first 8 digits of an identifier."
        autoComplete="off"
        value={search.query}
        onChange={(event) => {
          setSearch({ ...search, query: event.target.value });
        }}
      />
      <label>
        Role
        <select
          value={search.role}
          onChange={(event) => {
            setSearch({ ...search, role: event.target.value as Search['role'] });
          }}
        >
          <option value="">Any</option>
          <option value="admin">admin</option>
          <option value="auditor">auditor</option>
        </select>
      </label>
      <label>
        State
        <select
          value={search.state}
          onChange={(event) => {
            setSearch({ ...search, state: event.target.value as Search['state'] });
          }}
        >
          <option value="">Any</option>
          <option value="active">active</option>
          <option value="disabled">disabled</option>
        </select>
      </label>
      <Button type="submit" look="primary">
        Search
      </Button>
    </form>
  );
}
