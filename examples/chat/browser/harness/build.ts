import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { installPackage } from './package.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The rowcast binary. */
    binary: string
  }
}

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const modules = fileURLToPath(new URL('../node_modules', import.meta.url))

/** Builds, once for a run, what the tests are about: the binary and the client package. */
export default function build(project: TestProject): void {
  const binary = join(modules, '.rowcast/rowcast')
  execFileSync('go', ['build', '-o', binary, './cmd/rowcast'], { cwd: root, stdio: 'inherit' })
  installPackage('rowcast', join(root, 'clients/ts'), modules)
  project.provide('binary', binary)
}
