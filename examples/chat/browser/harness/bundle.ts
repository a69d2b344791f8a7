import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export type Build = 'development' | 'production'

const bundles = new Map<string, Promise<string>>()

/** Bundles a page of fixtures/ for the browser, with React and the client in the build that is asked for. */
export function bundle(fixture: string, mode: Build): Promise<string> {
  const key = `${mode}/${fixture}`
  const made = bundles.get(key) ?? make(fixture, mode)
  bundles.set(key, made)
  return made
}

async function make(fixture: string, mode: Build): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    minify: mode === 'production',
    logLevel: 'error',
  })
  return result.outputFiles[0]?.text ?? ''
}
