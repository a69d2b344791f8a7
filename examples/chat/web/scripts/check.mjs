// Everything that must be green of the page. The last step: what is committed in
// ../dist is what these sources make.
import { execFileSync } from 'node:child_process'

const web = new URL('..', import.meta.url).pathname
const run = (...args) => execFileSync('npx', ['--no-install', ...args], { cwd: web, stdio: 'inherit' })

run('biome', 'check', '.')
run('tsc')
execFileSync('npm', ['run', '--silent', 'build'], { cwd: web, stdio: 'inherit' })

const changed = execFileSync('git', ['status', '--porcelain', '--', '../dist'], { cwd: web, encoding: 'utf8' })
if (changed) {
  console.error(`examples/chat/dist is not what the sources make; commit it:\n${changed}`)
  process.exit(1)
}
