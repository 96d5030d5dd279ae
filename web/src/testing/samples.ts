/** Resources as the server sends them, each with what a test changes. */
import { type Job, type Media, type Session, type TokenPair, type User } from '@/shared/api/types';
import { type Tokens } from '@/shared/auth/token-store';

export const user: User = {
  id: 'u1',
  email: 'ada@example.test',
  email_verified: true,
  name: null,
  totp_enabled: false,
  second_factor_required: false,
  recovery_codes_left: 0,
  roles: [],
  created_at: '2026-01-01T00:00:00Z',
  erase_at: null,
};

export function session(change: Partial<Session> = {}): Session {
  return {
    id: 's1',
    current: true,
    device: { name: null, browser: 'Firefox 140', os: 'Linux', kind: 'desktop' },
    ip: '192.0.2.1',
    created_at: '2026-01-01T00:00:00Z',
    last_seen_at: '2026-01-01T00:00:00Z',
    expires_at: '2026-02-01T00:00:00Z',
    auth_methods: ['password'],
    ended_at: null,
    end_reason: null,
    ...change,
  };
}

export function media(change: Partial<Media> = {}): Media {
  return {
    id: 'm1',
    name: 'film.mp4',
    bytes: 1,
    sha256: '',
    content_type: 'video/mp4',
    created_at: '2026-01-01T00:00:00Z',
    ...change,
  };
}

export function job(change: Partial<Job> = {}): Job {
  return {
    id: 'j1',
    media_id: 'm1',
    preset: 'poster',
    state: 'queued',
    progress: 0,
    error: null,
    outputs: [],
    result: null,
    created_at: '2026-01-01T00:00:00Z',
    ...change,
  };
}

export function tokens(change: Partial<Tokens> = {}): Tokens {
  return {
    sessionId: 's1',
    accessToken: 'access-1',
    renewAtMs: Date.now() + 600_000,
    refreshToken: 'refresh-1',
    ...change,
  };
}

export const nextPair: TokenPair = {
  access_token: 'access-2',
  expires_in: 900,
  refresh_token: 'refresh-2',
  refresh_expires_in: 86_400,
};

export const deviceToken = '5a'.repeat(32);
