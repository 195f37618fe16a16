// Writes FILE.br and FILE.gz beside every file of dist/ that gets smaller by it.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

async function* filesBelow(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}

const dist = new URL('../dist/', import.meta.url).pathname;
let plain = 0;
let packed = 0;
for await (const path of filesBelow(dist)) {
  if (/\.(br|gz)$/.test(path)) continue;
  const bytes = await readFile(path);
  const br = await brotli(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  const gz = await zip(bytes, { level: constants.Z_BEST_COMPRESSION });
  plain += bytes.length;
  packed += Math.min(br.length, bytes.length);
  if (br.length < bytes.length) await writeFile(`${path}.br`, br);
  if (gz.length < bytes.length) await writeFile(`${path}.gz`, gz);
}
console.log(`dist: ${(plain / 1000).toFixed(1)} kB, ${(packed / 1000).toFixed(1)} kB as brotli`);
