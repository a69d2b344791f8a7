package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is rows of cells with a title; its first row is the heading.
type table struct {
	title string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for i, row := range t.rows {
		_, _ = fmt.Fprintf(tw, "| %s\t|\n", strings.Join(row, "\t| ")) // a Builder takes all
		if i == 0 {
			_, _ = fmt.Fprintf(tw, "|%s\n", strings.Repeat("---\t|", len(row)))
		}
	}
	_ = tw.Flush()
	_, err := fmt.Fprintf(w, "\n%s\n\n%s", t.title, b.String())
	return err
}

// targets is a table of what must hold, and whether it does.
type targets struct{ table }

func newTargets() *targets {
	t := &targets{table{title: "It must hold"}}
	t.table.add("what", "measured", "")
	return t
}

func (t *targets) add(what, measured string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**not met**"
	}
	t.table.add(what, measured, verdict)
}

// median sorts its argument.
func median[T float64 | time.Duration](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}

func micros(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
