// What snippets of the documentation import from packages that are not installed
// here, as far as they use it.

declare module 'sonner' {
  export const toast: {
    (text: string, options?: { action?: { label: string; onClick(): void } }): void
    success(text: string, options?: { action?: { label: string; onClick(): void } }): void
    error(text: string): void
  }
}

declare module 'react-router' {
  export function useNavigate(): (path: string) => void
  export function useParams(): Record<string, string | undefined>
}

declare module 'vue' {
  export function watchPostEffect(effect: (onCleanup: (cleanup: () => void) => void) => void): void
}

declare module '@tanstack/vue-query' {
  export { useQueryClient } from '@tanstack/react-query'
}

declare module '@tanstack/svelte-query' {
  export { useQueryClient } from '@tanstack/react-query'
}

/** A macro of Vue's compiler. */
declare function defineProps<P>(): P

/** Svelte's runes, which need no import. */
declare function $effect(run: () => undefined | (() => void)): void
declare function $props<P>(): P

declare module 'react-native' {
  export const AppState: {
    addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
  }
}

declare module 'react-native-url-polyfill/auto' {}

declare module '@prisma/client' {
  export namespace Prisma {
    interface TransactionClient {
      $executeRaw(query: TemplateStringsArray, ...values: unknown[]): Promise<number>
    }
  }
  export interface PrismaClient {
    $transaction<R>(work: (tx: Prisma.TransactionClient) => Promise<R>): Promise<R>
  }
}
