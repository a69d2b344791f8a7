package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// hour is an hour of a figure, a point a minute. A point may be anything that f
// makes of the minute and of chance.
func hour(seed uint64, f func(minute float64, rng *rand.Rand) float64) (points []point) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := range 60 {
		points = append(points, point{time.Duration(n) * time.Minute, f(float64(n), rng)})
	}
	return points
}

// A memory of 40 MB, in which a tenth of noise is all there may be.
func TestTrendOf(t *testing.T) {
	t.Parallel()
	noise := func(rng *rand.Rand) float64 { return 4 * rng.NormFloat64() }
	heap := bound{name: "memory", unit: "MB", slack: 8, share: 0.2}
	count := bound{name: "goroutines", slack: 4}
	for _, tt := range []struct {
		name string
		b    bound
		f    func(minute float64, rng *rand.Rand) float64
		flat bool
	}{
		{"flat", heap, func(float64, *rand.Rand) float64 { return 40 }, true},
		{"noise", heap, func(_ float64, rng *rand.Rand) float64 { return 40 + noise(rng) }, true},
		{"saw", heap, func(m float64, rng *rand.Rand) float64 { return 30 + 4*math.Mod(m, 7) + noise(rng)/4 }, true},
		{"slow_saw", heap, func(m float64, _ *rand.Rand) float64 { return 35 + math.Mod(m, 11) }, true},
		{"filled_then_flat", heap, func(m float64, rng *rand.Rand) float64 { return min(3*m, 36) + noise(rng)/2 }, true},
		{"one_point", heap, func(m float64, _ *rand.Rand) float64 { return 40 + map[float64]float64{50: 1e6}[m] }, true},
		{"few_points", heap, func(m float64, _ *rand.Rand) float64 { return 40 + map[float64]float64{40: 500, 57: 900, 59: 900}[m] }, true},
		{"shrinks", heap, func(m float64, _ *rand.Rand) float64 { return 80 - m }, true},
		{"within_its_share", heap, func(m float64, _ *rand.Rand) float64 { return 400 + 70*m/60 }, true},
		{"leak", heap, func(m float64, _ *rand.Rand) float64 { return 40 + m/3 }, false},
		{"leak_just_too_large", heap, func(m float64, _ *rand.Rand) float64 { return 40 + m/4.2 }, false},
		{"leak_under_noise", heap, func(m float64, rng *rand.Rand) float64 { return 40 + m/2.5 + noise(rng) }, false},
		{"leak_under_a_saw", heap, func(m float64, _ *rand.Rand) float64 { return 30 + 4*math.Mod(m, 7) + m/2.5 }, false},
		{"leak_that_begins_late", heap, func(m float64, _ *rand.Rand) float64 { return 40 + 2*max(0, m-40) }, false},
		{"step", heap, func(m float64, rng *rand.Rand) float64 { return 40 + noise(rng)/4 + 15*math.Floor(m/47) }, false},
		{"one_goroutine_in_five_minutes", count, func(m float64, _ *rand.Rand) float64 { return 30 + math.Floor(m/5) }, false},
		{"one_goroutine_more_or_less", count, func(_ float64, rng *rand.Rand) float64 { return 30 + float64(rng.IntN(3)) }, true},
		{"from_nothing", bound{name: "sessions"}, func(m float64, _ *rand.Rand) float64 { return math.Floor(m / 20) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(300) {
				if got := trendOf(tt.b, hour(seed, tt.f)); !got.told() || got.flat() != tt.flat {
					t.Fatalf("seed %d: %s, it grew by %.1f of %.1f", seed, got.verdict(), got.growth, got.allowed)
				}
			}
		})
	}
}

// Nobody can tell from a few points, or before what is filled is full.
func TestTrendOf_tooShort(t *testing.T) {
	t.Parallel()
	grows := hour(1, func(m float64, _ *rand.Rand) float64 { return m })
	for _, got := range []trend{
		trendOf(bound{}, nil),
		trendOf(bound{}, grows[:fewest]),
		trendOf(bound{settles: 55 * time.Minute}, grows),
	} {
		if got.told() || got.flat() {
			t.Errorf("%s after %d points", got.verdict(), got.judged)
		}
	}
}
