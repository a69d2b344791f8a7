package bench_test

import (
	"regexp"
	"strings"
	"testing"

	"rowcast/bench"
)

// TestClients: the benches of many clients measure something of few.
func TestClients(t *testing.T) {
	t.Parallel()
	for part, rows := range map[string][]string{
		"rooms":  {`\| \d+\.\d\d +\| \d+\.\d\d µs +\| \d+\.\d\d µs +\| \d+\.\d\d\d +\|`},
		"memory": {`handler reads +\| \d+\.\d kB \| 1\.00`, `\| rowcast\.v1, in one room +\| \d+\.\d kB`},
		"storm":  {`\| new +\| nobody writes +\| \d+\.\d\d s`, `with cursors.* others are sent events \|.*( \d+\.\d\d ms +\|){4}`},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := bench.Run(t.Context(), &out, bench.Options{Only: part, Clients: 30, Rounds: 1}); err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				if !regexp.MustCompile(row).MatchString(out.String()) {
					t.Errorf("no %q in\n%s", row, &out)
				}
			}
		})
	}
}
