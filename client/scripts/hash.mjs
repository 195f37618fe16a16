// Writes index.html.hash: the hash of the script in the page, which the server names in the page's Content-Security-Policy.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

const page = new URL('../dist/index.html', import.meta.url);
const [, script] = /<script>([^]*?)<\/script>/.exec(await readFile(page, 'utf8'));
await writeFile(`${page.pathname}.hash`, `sha256-${createHash('sha256').update(script).digest('base64')}\n`);
