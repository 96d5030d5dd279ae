import { readdirSync } from 'node:fs';

import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const features = readdirSync(`${import.meta.dirname}/src/features`);

/** Every import names its layer: `@/...`. A relative path, which could climb out unseen, is for style sheets only. */
const named = { regex: String.raw`^\.{1,2}/(?!.*\.css$)`, message: "import by '@/...'" };
const zod = { regex: '^zod', message: "use '@/shared/lib/zod': it keeps zod within the page's policy" };

/** Dependencies point one way: app -> features -> shared; no feature knows another. */
function layer(files, ...patterns) {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [named, ...patterns] }] } };
}
const above = { regex: '^@/(app|features)/', message: 'shared knows nothing above it' };
const app = { regex: '^@/app/', message: 'a feature does not know the app' };
const featureLayers = features.map((feature) =>
  layer([`src/features/${feature}/**`], zod, app, {
    regex: `^@/features/(?!${feature}/)`,
    message: 'features are composed in app, not in each other',
  }),
);

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/shared/api/schema.d.ts'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked,
      reactHooks.configs.flat.recommended,
      jsxA11y.flatConfigs.strict,
    ],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', 70],
      'no-console': 'error',
      'no-restricted-globals': [
        'error',
        { name: 'localStorage', message: 'only shared/auth/device-tokens.ts keeps what outlives the tab' },
        { name: 'sessionStorage', message: 'only shared/auth/token-store.ts keeps anything' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'no barrel files' },
        { selector: 'ExportNamedDeclaration[source]', message: 'no barrel files' },
        {
          selector: "JSXAttribute[name.name='style']",
          message: 'the Content-Security-Policy allows no inline style',
        },
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: 'what the server sends is text, never markup',
        },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  layer(['src/{app,testing}/**'], zod),
  layer(['src/shared/**'], zod, above),
  layer(['src/shared/lib/zod.ts'], above),
  ...featureLayers,
  {
    files: ['src/**/*.test.{ts,tsx}'],
    rules: { 'max-lines-per-function': 'off' },
  },
);
