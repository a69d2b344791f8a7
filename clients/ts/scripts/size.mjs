// What the package costs a page: each entry bundled, minified and compressed as a
// server would send it. Fails over budget.

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const budgets = [
  ['core', ['index'], 4096],
  ['core, react', ['index', 'react/websocket'], 4608],
  ['everything', ['index', 'react', 'query'], 6144],
]

let over = false
for (const [name, entries, budget] of budgets) {
  const { outputFiles } = await build({
    stdin: { contents: entries.map(e => `export * from './dist/${e}.js'`).join('\n'), resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    external: ['react', '@tanstack/*'],
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length
  over ||= size > budget
  console.log(`${name.padEnd(12)} ${size} of ${budget} bytes`)
}
if (over) {
  console.error('over budget')
  process.exitCode = 1
}
