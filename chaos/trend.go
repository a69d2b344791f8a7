package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bound is how much a figure may grow while the soak is judged: by slack, or by a
// share of what it was, whichever is more.
type bound struct {
	name    string
	unit    string        // of what is printed
	slack   float64       // in that unit
	share   float64       // 0.2 is a fifth
	settles time.Duration // it grows until then because it is filled
}

// title heads a column.
func (b bound) title() string { return strings.TrimSpace(b.name + " " + b.unit) }

// point is a figure at one moment of the soak.
type point struct {
	at    time.Duration
	value float64
}

// trend is what became of a figure once it had settled.
type trend struct {
	bound
	before, after float64 // medians of the first third and of the last
	growth        float64
	allowed       float64
	judged        int // points
}

// fewest is how many points tell a growth from chance.
const fewest = 9

// flat says that the figure did not grow; false also where nobody can tell.
func (t trend) flat() bool { return t.told() && t.growth <= t.allowed }

// told says that there is enough to tell.
func (t trend) told() bool { return t.judged >= fewest }

func (t trend) verdict() string {
	switch {
	case !t.told():
		return fmt.Sprintf("too short to tell: it settles after %v", t.settles)
	case !t.flat():
		return "GROWS"
	}
	return "flat"
}

// trendOf judges the points from a quarter of the soak on, or from when the figure
// has settled. Two things say how much it has grown, and the greater counts: the
// slope that half of all pairs of points exceed (Theil and Sen), which sees what
// grows slowly under noise that is greater; and how far the median of the last
// third lies above that of the first, which sees a step. Neither hears a single
// point, or teeth of a saw of which several fit into a third.
func trendOf(b bound, points []point) trend {
	t := trend{bound: b}
	if len(points) == 0 {
		return t
	}
	from := max(points[len(points)-1].at/4, b.settles)
	points = slices.DeleteFunc(slices.Clone(points), func(p point) bool { return p.at < from })
	if t.judged = len(points); !t.told() {
		return t
	}
	third := len(points) / 3
	t.before, t.after = middle(values(points[:third])), middle(values(points[len(points)-third:]))
	duration := points[len(points)-1].at - points[0].at
	t.growth = max(t.after-t.before, slope(points)*duration.Seconds())
	t.allowed = max(b.slack, b.share*t.before)
	return t
}

// slope is the median of the slopes between any two points, per second.
func slope(points []point) float64 {
	var all []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.at > a.at {
				all = append(all, (b.value-a.value)/(b.at-a.at).Seconds())
			}
		}
	}
	return middle(all)
}

func values(points []point) (all []float64) {
	for _, p := range points {
		all = append(all, p.value)
	}
	return all
}

// middle is the median.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// amount writes a count as one, and all else with one digit.
func amount(value float64) string {
	digits := 1
	if value == math.Trunc(value) {
		digits = 0
	}
	return strconv.FormatFloat(value, 'f', digits, 64)
}
