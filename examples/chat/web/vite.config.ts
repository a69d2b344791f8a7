import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// `npm run dev` serves the sources and passes the rest on to a daemon:
// `rowcast dev` on its default address, or the one in ROWCAST.
const daemon = process.env.ROWCAST ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  base: './',
  build: {
    target: ['chrome123', 'firefox128', 'safari17.5'], // light-dark(), as it stands
    outDir: '../dist',
    emptyOutDir: true,
    modulePreload: false, // one chunk: nothing to preload
    reportCompressedSize: false, // scripts/size.mjs counts
    rolldownOptions: { treeshake: { propertyReadSideEffects: false, unknownGlobalSideEffects: false } },
  },
  server: {
    proxy: {
      '/api': daemon,
      '/ws': { target: daemon, ws: true },
    },
  },
})
