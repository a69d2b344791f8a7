import { FrameLog } from '../features/frames/FrameLog'
import { Histogram } from '../features/latency/Histogram'

/** Below the panes: what was on the wire, and how fast it was there. */
export function Evidence() {
  return (
    <>
      <FrameLog />
      <Histogram />
    </>
  )
}
