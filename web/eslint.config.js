import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const features = ['audit', 'auth', 'media', 'sessions'];

/** Dependencies point one way: app -> features -> shared; no feature knows another. */
const zones = [
  { target: './src/shared', from: ['./src/features', './src/app'], message: 'shared knows nothing above it' },
  { target: './src/features', from: './src/app', message: 'a feature does not know the app' },
  ...features.map((feature) => ({
    target: `./src/features/${feature}`,
    from: './src/features',
    except: [`./${feature}`],
    message: 'features are composed in app, not in each other',
  })),
];

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
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-cycle': 'error',
      'import-x/no-unresolved': 'error',
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', 70],
      'no-console': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: [{ name: 'zod', message: "use '@/shared/lib/zod': it keeps zod within the page's policy" }],
        },
      ],
      'no-restricted-globals': [
        'error',
        { name: 'localStorage', message: 'nothing outlives the tab' },
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
  {
    files: ['src/shared/lib/zod.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['src/**/*.test.{ts,tsx}'],
    rules: { 'max-lines-per-function': 'off' },
  },
);
