// Everything that must be green of the page. The last step: what is committed in
// ../dist is what these sources make.
import { spawnSync } from 'node:child_process'

const web = new URL('..', import.meta.url).pathname

run('npx', '--no-install', 'biome', 'check', '.')
run('npx', '--no-install', 'tsc')
run('npm', 'run', '--silent', 'build')

const { stdout } = spawnSync('git', ['status', '--porcelain', '--', '../dist'], { cwd: web, encoding: 'utf8' })
if (stdout !== '') {
  console.error(`examples/chat/dist is not what the sources make; commit it:\n${stdout}`)
  process.exit(1)
}

function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: web, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
