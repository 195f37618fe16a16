import { defineConfig, type Plugin } from 'vite';

/** Links lead into a class: its code and style are fetched beside the first script, not after it. */
const fetchClassPage: Plugin = {
  name: 'fetch-class-page',
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle }) {
      const chunks = Object.values(bundle ?? {});
      const page = chunks.find((chunk) => chunk.type === 'chunk' && chunk.facadeModuleId?.endsWith('/class/page.tsx'));
      if (page?.type !== 'chunk') return html;
      const scripts = [page.fileName, ...page.imports].filter((file) => !html.includes(file));
      const styles = [...(page.viteMetadata?.importedCss ?? [])];
      return [
        ...scripts.map((file) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${file}` }, injectTo: 'head' as const })),
        ...styles.map((file) => ({ tag: 'link', attrs: { rel: 'preload', as: 'style', crossorigin: true, href: `/${file}` }, injectTo: 'head' as const })),
      ];
    },
  },
};

export default defineConfig({
  plugins: [fetchClassPage],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
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
