import { createHmac, randomBytes } from 'node:crypto'

/** Signs the tokens of this run: the demo's own, and those that a test makes. */
export const secret = randomBytes(32).toString('base64url')

/** Settings of a daemon beside the demo that lets the same people into the same topics. */
export const guarded = [
  '--auth.mode=jwt',
  `--auth.jwt.secret=${secret}`,
  '--auth.jwt.leeway=0s',
  '--auth.authorize=public.can_join',
]

/** A token of a user of the demo (RFC 7519, HS256), good for so long. */
export function token(user: string, seconds = 3600): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + seconds
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
