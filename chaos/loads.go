package main

import (
	"time"

	"rowcast/chaos/load"
)

// loadScenarios are those in which nothing breaks, but the application asks for much.
func loadScenarios() []scenario {
	return []scenario{
		{
			name: "calm", fault: "none", short: true,
			load: load.Options{Open: 300 * time.Millisecond},
		},
		{
			name: "announced", fault: "bulk(), TRUNCATE and transactions over the limit, of 3,000 rows", short: true,
			load: load.Options{Bulk: true, Truncate: true, Large: 3000},
		},
		{
			name: "large", fault: "transactions of 3,000 rows, streamed", largest: 10_000,
			load: load.Options{Large: 3000},
		},
	}
}
