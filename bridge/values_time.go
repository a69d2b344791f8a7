package bridge

import "time"

// appendTimestamp appends a timestamptz, a JSON string in the writer's time
// zone, as RFC 3339 in UTC with the digits Postgres printed. What is no such
// time (infinity, a year before Christ, a cut row's in another DateStyle) is
// sent as printed.
func appendTimestamp(dst, quoted []byte) []byte {
	p, ok := readTimestamp(quoted[1 : len(quoted)-1])
	if !ok {
		return append(dst, quoted...)
	}
	// In UTC already, and of this form, on a day that every month has, it is copied
	// up to its offset: "2026-11-23T00:42:55.278+00:00".
	if p.offset == 0 && p.year > 0 && p.day <= 28 && quoted[len(`"2026-11-23`)] == 'T' {
		dst = append(dst, quoted[:len(`"2026-11-23T00:42:55`)]...)
		dst = append(dst, p.fraction...)
		return append(dst, 'Z', '"')
	}
	// time.Date carries the offset's seconds over into minutes, hours and days.
	utc := time.Date(p.year, time.Month(p.month), p.day, p.hour, p.minute, p.second-p.offset, 0, time.UTC)
	if utc.Year() < 1 {
		return append(dst, quoted...)
	}
	dst = append(dst, '"')
	dst = appendUTC(dst, utc, p.fraction)
	return append(dst, '"')
}

// timestamp is a timestamptz as printed.
type timestamp struct {
	year, month, day     int
	hour, minute, second int
	fraction             []byte // ".278", or nothing
	offset               int    // seconds east of UTC
}

// readTimestamp reads Postgres's ISO output, "2026-11-23T00:42:55.278+00:53:28".
// The year has up to six digits; the offset may lack minutes and seconds, and
// there is a space for the T outside of JSON.
func readTimestamp(text []byte) (p timestamp, ok bool) {
	r := timeReader{rest: text}
	p.year = r.digits(4, 6)
	r.expect('-')
	p.month = r.digits(2, 2)
	r.expect('-')
	p.day = r.digits(2, 2)
	if !r.skip('T') {
		r.expect(' ')
	}
	p.hour = r.digits(2, 2)
	r.expect(':')
	p.minute = r.digits(2, 2)
	r.expect(':')
	p.second = r.digits(2, 2)
	if before := r.rest; r.skip('.') {
		r.digits(1, 6)
		p.fraction = before[:len(before)-len(r.rest)]
	}
	p.offset = r.offset()
	inRange := 1 <= p.month && p.month <= 12 && 1 <= p.day && p.day <= 31 &&
		p.hour <= 23 && p.minute <= 59 && p.second <= 59
	return p, inRange && !r.fault && len(r.rest) == 0
}

// timeReader reads a printed time from left to right; a fault is kept.
type timeReader struct {
	rest  []byte
	fault bool
}

// offset reads +01, -03:30 or +00:53:28 as seconds.
func (r *timeReader) offset() int {
	sign := 1
	if r.skip('-') {
		sign = -1
	} else {
		r.expect('+')
	}
	seconds := r.digits(2, 2) * 3600
	if r.skip(':') {
		seconds += r.digits(2, 2) * 60
	}
	if r.skip(':') {
		seconds += r.digits(2, 2)
	}
	return sign * seconds
}

// digits reads a number of so many digits.
func (r *timeReader) digits(least, most int) (n int) {
	i := 0
	for i < most && i < len(r.rest) && '0' <= r.rest[i] && r.rest[i] <= '9' {
		n = 10*n + int(r.rest[i]-'0')
		i++
	}
	r.rest = r.rest[i:]
	r.fault = r.fault || i < least
	return n
}

func (r *timeReader) skip(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *timeReader) expect(c byte) {
	if !r.skip(c) {
		r.fault = true
	}
}
