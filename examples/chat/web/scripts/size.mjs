// The whole page, as it goes over the wire: at most 100 kB.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const LIMIT = 100_000
const dist = new URL('../../dist', import.meta.url).pathname

let total = 0
for (const file of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!file.isFile()) continue
  const bytes = gzipSync(readFileSync(join(file.parentPath, file.name)), { level: 9 }).length
  total += bytes
  console.log(`${kB(bytes)}  ${file.name}`)
}
console.log(`${kB(total)}  gzip in all, of ${LIMIT / 1000}`)
if (total > LIMIT) process.exit(1)

function kB(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`.padStart(9)
}
