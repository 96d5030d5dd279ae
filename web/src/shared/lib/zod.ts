/**
 * The only door to zod.
 *
 * zod compiles schemas with `new Function` where it may. The page's Content-Security-Policy forbids that, and
 * already the attempt is reported as a violation, so compiling is switched off before the first schema exists.
 */
import { z } from 'zod';

z.config({ jitless: true });

export { z };
