// npm run build: type-checked JavaScript in dist/, or the folder that is named, and the workflows in one bundle.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.resolve(root, process.argv[2] ?? 'dist');

await rm(dist, { recursive: true, force: true });
await compile();
const { code } = await bundleWorkflowCode({
  workflowsPath: `${root}workflows/index.ts`,
  logger: new DefaultLogger('WARN'),
});
await writeFile(`${dist}/workflow-bundle.js`, code);

async function compile(): Promise<void> {
  const compiler = spawn(`${root}node_modules/.bin/tsc`, ['--project', 'tsconfig.build.json', '--outDir', dist], {
    cwd: root,
    stdio: 'inherit',
  });
  const [exitCode] = await once(compiler, 'exit');
  if (exitCode !== 0) {
    process.exit(1);
  }
}
