// Looks at the package as npm would publish it: publint, and the types as every
// kind of resolution finds them.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'rowcast-package-'))
const run = (command, ...args) => execFileSync(command, args, { stdio: 'inherit' })
try {
  run('npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder)
  const { version } = JSON.parse(execFileSync('npm', ['pkg', 'get', 'version', 'name', '--json'], { encoding: 'utf8' }))
  const tarball = join(folder, `rowcast-${version}.tgz`)
  run('npx', 'publint', 'run', tarball, '--strict')
  run('npx', 'attw', tarball, '--profile', 'esm-only', '--no-emoji')
} finally {
  rmSync(folder, { recursive: true })
}
