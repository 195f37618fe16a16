import { defineConfig } from 'vite';

export default defineConfig({
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
