import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Installs a package as a stranger would get it: packed, not linked. */
export function installPackage(name: string, source: string, modules: string): void {
  const npm = (...args: string[]): void => {
    execFileSync('npm', args, { cwd: source, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' }) // an error shows it
  }
  const folder = mkdtempSync(join(modules, `.${name}-`))
  if (!existsSync(join(source, 'node_modules'))) npm('ci', '--no-audit', '--no-fund')
  npm('pack', '--silent', '--pack-destination', folder) // builds it first: prepack
  for (const tarball of readdirSync(folder)) execFileSync('tar', ['-xzf', tarball], { cwd: folder })

  const installed = join(modules, name)
  rmSync(installed, { recursive: true, force: true })
  renameSync(join(folder, 'package'), installed)
  rmSync(folder, { recursive: true })
}
