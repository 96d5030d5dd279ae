/** Calls on behalf of the person who is signed in: adds the token, renews it in time, and notices its end. */
import { ProblemError, problemFrom } from '@/shared/api/problem';
import { renewTokens, SESSION_ENDED, sessionEnded } from '@/shared/api/refresh';
import { type ApiPath, type Call, send } from '@/shared/api/transport';
import { proofDesk } from '@/shared/auth/proof-desk';
import { type Tokens, tokenStore } from '@/shared/auth/token-store';

/**
 * A call with the caller's token. Resolves with a success; rejects with a `ProblemError` or `NetworkError`. Where the
 * last proof of identity is too old for it, `prove` gives a new one, and the call is made again. Unless the caller has
 * the proof already, the person is asked for it.
 */
export async function call(
  path: ApiPath,
  options: Call = {},
  prove: () => Promise<boolean> = () => proofDesk.ask(),
): Promise<Response> {
  const attempt = () => authorized((accessToken) => send(path, options, accessToken));
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof ProblemError && error.needsProof)) throw error;
    if (!(await prove())) throw error;
    return attempt();
  }
}

/**
 * Runs `attempt` with a token that is good. An answer 401 to that is met once with new tokens: this machine's
 * clock may be wrong. A second one means that the session has ended.
 */
export async function authorized(attempt: (accessToken: string) => Promise<Response>): Promise<Response> {
  const tokens = await freshTokens();
  const first = await attempt(tokens.accessToken);
  if (first.status !== 401) return successOrThrow(first, tokens);
  const problem = await problemFrom(first);
  if (!problem.endsSession) throw problem;
  const renewed = await renewTokens(tokens);
  return successOrThrow(await attempt(renewed.accessToken), renewed);
}

/** The tokens of the person who is signed in, renewed when their time is nearly over. */
export async function freshTokens(): Promise<Tokens> {
  const { tokens } = tokenStore.state();
  if (tokens === null) throw sessionEnded();
  return Date.now() < tokens.renewAtMs ? tokens : renewTokens(tokens);
}

async function successOrThrow(response: Response, used: Tokens): Promise<Response> {
  if (response.ok) return response;
  const problem = await problemFrom(response);
  const stillIn = tokenStore.state().tokens?.sessionId === used.sessionId;
  if (problem.endsSession && stillIn) tokenStore.signOut(SESSION_ENDED);
  throw problem;
}
