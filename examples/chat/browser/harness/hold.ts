import type { Page } from 'playwright-core'

/** Lets no request to the URL through until what it returns is called. */
export async function hold(page: Page, url: string): Promise<() => void> {
  let release = (): void => {}
  const gate = new Promise<void>(resolve => (release = resolve))
  await page.route(url, async route => {
    await gate
    await route.fallback()
  })
  return release
}
