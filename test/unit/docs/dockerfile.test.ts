import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');

it('the image runs the Node that npm run and the tests run', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<'node', string> };
  const minor = dependencies.node.split('.').slice(0, 2).join('.');
  const images = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  expect(new Set(images)).toEqual(new Set([`node:${minor}-bookworm-slim`]));
});
