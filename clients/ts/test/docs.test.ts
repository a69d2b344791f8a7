// The documentation's snippets and links. TypeScript is compiled against this
// package's sources and the demo's generated types; Go has to stand in the demo's.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const ofFolder = readdirSync(`${root}docs`).filter(name => name.endsWith('.md'))
const PAGES = ['README.md', 'clients/ts/README.md', ...ofFolder.map(name => `docs/${name}`)]
const folder = `${root}clients/ts/test/docs/`
const chat = `${root}examples/chat/`

interface Snippet {
  page: string
  /** Of the first line of the code, counted from 1. */
  line: number
  lang: string
  text: string
}

function snippetsOf(page: string): Snippet[] {
  const source = readFileSync(root + page, 'utf8')
  return [...source.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ index, 1: lang = '', 2: text = '' }) => ({
    page,
    line: source.slice(0, index).split('\n').length + 1,
    lang,
    text,
  }))
}

/** The TypeScript of a snippet, on the lines where it stands. */
function scriptOf({ lang, text }: Snippet): string | undefined {
  if (['ts', 'tsx', 'js', 'jsx'].includes(lang)) return text
  if (!['vue', 'svelte'].includes(lang)) return undefined
  const script = /<script[^>]*>(.*?)<\/script>/s.exec(text)
  const before = script ? text.slice(0, script.index).replace(/[^\n]/g, '') : ''
  return before + (script?.[1] ?? '')
}

/** A snippet that begins with `// src/client.ts` is that file, and others may import it. */
function fileOf({ page, line, lang, text }: Snippet): string {
  const named = /^\/\/ src\/(\S+\.tsx?)$/m.exec(text.split('\n', 1)[0] ?? '')
  return folder + (named?.[1] ?? `${page.replace(/\W+/g, '-')}-${line}.${/x$/.test(lang) ? 'tsx' : 'ts'}`)
}

/** What is wrong with each file. */
function compile(files: ReadonlyMap<string, string>): Map<string, readonly ts.Diagnostic[]> {
  const { options } = ts.parseJsonConfigFileContent(
    {
      extends: '../../tsconfig.json',
      compilerOptions: {
        module: 'esnext',
        moduleResolution: 'bundler',
        moduleDetection: 'force',
        noUnusedLocals: false,
        types: [],
        paths: { rowcast: ['../../src/index.ts'], 'rowcast/*': ['../../src/*.ts'] },
      },
      files: [],
    },
    ts.sys,
    folder,
  )
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = file => files.has(file) || fileExists(file)
  host.readFile = file => files.get(file) ?? readFile(file)
  host.getSourceFile = (file, options, ...rest) => {
    const text = files.get(file)
    return text === undefined ? getSourceFile(file, options, ...rest) : ts.createSourceFile(file, text, options)
  }
  const program = ts.createProgram([...files.keys(), `${folder}elsewhere.d.ts`], options, host)
  return new Map(
    [...files.keys()].map(name => {
      const file = program.getSourceFile(name)
      return [name, [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]]
    }),
  )
}

/** The links of a page to files and headings that are not there. */
function brokenLinks(page: string): string[] {
  const source = readFileSync(root + page, 'utf8')
  return [...source.matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)].flatMap(([, path = '', anchor]) => {
    const target = path ? join(root, dirname(page), path) : root + page
    return existsSync(target) && (!anchor || anchorsOf(target).has(anchor)) ? [] : [`${path}#${anchor}`]
  })
}

function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(file, 'utf8').match(/(?<=^#+ ).*$/gm) ?? []
  return new Set(headings.map(anchorOf))
}

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  const words = heading.toLowerCase().replace(/[^\w\- ]/g, '')
  return words.replaceAll(' ', '-')
}

const pages = new Map(PAGES.map(page => [page, snippetsOf(page)]))
const scripts = [...pages.values()].flat().filter(snippet => scriptOf(snippet) !== undefined)
const diagnostics = compile(
  new Map([
    ...scripts.map(snippet => [fileOf(snippet), scriptOf(snippet) ?? ''] as const),
    [`${folder}rowcast.ts`, readFileSync(`${chat}web/src/rowcast.ts`, 'utf8')],
  ]),
)

describe.each([...pages])('%s', (page, snippets) => {
  it('has no broken links', () => {
    expect(brokenLinks(page)).toEqual([])
  })

  it.each(snippets.filter(s => scripts.includes(s)))('$lang at line $line compiles', snippet => {
    const faults = diagnostics.get(fileOf(snippet))?.map(({ file, start = 0, messageText }) => {
      const line = snippet.line + (file?.getLineAndCharacterOfPosition(start).line ?? 0)
      return `${snippet.page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    expect(faults).toEqual([])
  })

  it.each(snippets.filter(s => s.lang === 'go'))('$lang at line $line is what the demo does', ({ text }) => {
    const sources = readdirSync(chat).filter(name => name.endsWith('.go'))
    expect(sources.some(name => readFileSync(chat + name, 'utf8').includes(text))).toBe(true)
  })
})

it('no two snippets are the same file', () => {
  const files = scripts.map(fileOf)
  expect(files).toEqual([...new Set(files)])
})
