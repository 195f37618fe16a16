import { defineConfig, type Plugin } from 'vite';

/** Links lead into a class: a small script runs before all others, and the page's own script learns what the code and style
 * of a class are, to fetch them beside the first page's, not after them. */
const wayIn: Plugin = {
  name: 'way-in',
  apply: 'build',
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle }) {
      const chunks = Object.values(bundle ?? {});
      const early = chunks.find((chunk) => chunk.type === 'chunk' && chunk.facadeModuleId?.endsWith('/src/early.ts'));
      const page = chunks.find((chunk) => chunk.type === 'chunk' && chunk.moduleIds.some((id) => id.endsWith('/class/page.tsx')));
      if (page?.type !== 'chunk' || early?.type !== 'chunk') throw new Error('no way into a class');
      const scripts = [page.fileName, ...page.imports].filter((file) => !html.includes(file));
      const styles = [...(page.viteMetadata?.importedCss ?? [])];
      const files = [...scripts, ...styles].map((file) => `/${file}`);
      return {
        html: html.replace('[/* class */]', JSON.stringify(files)),
        tags: [{ tag: 'script', attrs: { type: 'module', async: true, crossorigin: true, fetchpriority: 'high', src: `/${early.fileName}` }, injectTo: 'head' as const }],
      };
    },
  },
};

export default defineConfig({
  plugins: [wayIn],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    rollupOptions: { input: ['index.html', 'src/early.ts'] },
    target: ['es2020', 'chrome89', 'firefox90', 'safari14.1'],
    // The server's policy is default-src 'self': nothing may become a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    cssCodeSplit: true,
  },
  server: {
    proxy: {
      '/api': 'http://localhost:8080',
      '/recordings': 'http://localhost:8080',
      '/xmpp-websocket': { target: 'ws://localhost:8080', ws: true },
      '/colibri-ws': { target: 'ws://localhost:8080', ws: true },
    },
  },
});
