const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

export const time = (at: string) => clock.format(new Date(at))

/** 3.2 ms, 41 ms: as many digits as mean something. */
export const ms = (n: number) => (n < 10 ? n.toFixed(1) : Math.round(n).toString())

const fine = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
})

export const clockMs = (at: number) => fine.format(at)
