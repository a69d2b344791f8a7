// Installs what the page is built of. rowcast comes as a stranger would get it:
// packed, and installed from the tarball.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const web = new URL('..', import.meta.url).pathname
const client = new URL('../../../../clients/ts', import.meta.url).pathname

const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
const quiet = ['--no-audit', '--no-fund', '--loglevel=error']

const folder = mkdtempSync(join(tmpdir(), 'rowcast-pack-'))
try {
  if (!existsSync(join(client, 'node_modules'))) npm(client, 'ci', ...quiet)
  npm(client, 'pack', '--silent', '--pack-destination', folder)
  npm(web, 'ci', ...quiet)
  npm(web, 'install', '--no-save', '--no-package-lock', ...quiet, join(folder, readdirSync(folder)[0]))
} finally {
  rmSync(folder, { recursive: true })
}
