#!/usr/bin/env node
// Keeps what fuzzing has learned: of the inputs in Go's cache those that reach
// code which no seed and no kept input reaches, the shortest first, as files in
// testdata/fuzz. The tests try them from then on, and the next fuzzing begins
// with them. Nothing is ever taken away.

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const longest = 2048 // bytes of a file
const most = 40 // files of a target

const go = (...args) => execFileSync('go', args, { encoding: 'utf8' }).trim()
const list = dir => (existsSync(dir) ? readdirSync(dir) : [])

const cache = join(go('env', 'GOCACHE'), 'fuzz')
const temp = mkdtempSync(join(tmpdir(), 'fuzz-corpus-'))
try {
  for (const line of go('list', '-f', '{{.ImportPath}}\t{{.Dir}}', './...').split('\n')) {
    const [path, dir] = line.split('\t')
    const targets = list(join(cache, path)).filter(name => name.startsWith('Fuzz'))
    if (targets.length === 0) continue
    const binary = join(temp, 'test')
    go('test', '-c', '-cover', '-covermode=set', '-o', binary, path)
    for (const target of targets) keep(binary, dir, target, join(cache, path, target))
  }
} finally {
  rmSync(temp, { recursive: true })
}

function keep(binary, dir, target, cached) {
  const kept = join(dir, 'testdata', 'fuzz', target)
  const reached = reaches(binary, dir, `^${target}$`)
  if (!reached) return // the target is gone, or it fails
  let files = list(kept).length
  const inputs = list(cached)
    .filter(name => !existsSync(join(kept, name)) && statSync(join(cached, name)).size <= longest)
    .sort((a, b) => statSync(join(cached, a)).size - statSync(join(cached, b)).size || (a < b ? -1 : 1))
  for (const name of inputs) {
    if (files === most) break
    mkdirSync(kept, { recursive: true })
    copyFileSync(join(cached, name), join(kept, name))
    const blocks = reaches(binary, dir, `^${target}$/^${name}$`)
    if (blocks && [...blocks].every(block => reached.has(block))) {
      rmSync(join(kept, name))
      continue
    }
    if (!blocks) console.log(`${target} fails with ${join(kept, name)}`)
    for (const block of blocks ?? []) reached.add(block)
    files++
  }
  if (list(kept).length === 0) rmSync(kept, { recursive: true, force: true })
  console.log(`${target}: ${files} kept`)
}

// reaches returns the blocks of code that a run of the tests covers; undefined if
// they fail, or there is none.
function reaches(binary, dir, run) {
  const profile = join(temp, 'profile')
  rmSync(profile, { force: true })
  try {
    execFileSync(binary, ['-test.run', run, '-test.coverprofile', profile], { cwd: dir, stdio: 'pipe' })
  } catch {
    return undefined
  }
  const lines = readFileSync(profile, 'utf8').trim().split('\n').slice(1)
  return new Set(lines.filter(line => !line.endsWith(' 0')).map(line => line.split(' ')[0]))
}
