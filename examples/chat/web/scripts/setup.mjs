// Installs what the page is built of. rowcast comes as a stranger would get it:
// packed, and installed from the tarball.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const web = new URL('..', import.meta.url).pathname
const client = new URL('../../../../clients/ts', import.meta.url).pathname

const tarballs = mkdtempSync(join(tmpdir(), 'rowcast-pack-'))
process.on('exit', () => rmSync(tarballs, { recursive: true }))

if (!existsSync(join(client, 'node_modules'))) npm(client, 'ci')
npm(client, 'pack', '--silent', '--pack-destination', tarballs)
npm(web, 'ci')
npm(web, 'install', '--no-save', '--no-package-lock', join(tarballs, ...readdirSync(tarballs)))

function npm(cwd, ...args) {
  const { status } = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}
