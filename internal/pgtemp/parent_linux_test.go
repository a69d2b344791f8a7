package pgtemp_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
)

// doomed tells the test below that it is the parent which dies.
const doomed = "ROWCAST_TEST_DOOMED"

func TestCluster_dies_with_its_parent(t *testing.T) {
	if os.Getenv(doomed) != "" {
		c, err := pgtemp.Start(t.Context(), pgtemp.Options{BinDir: pgtest.Versions()[0], Fast: true})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(c.URL("postgres") + "\n")
		select {} // until it is killed
	}

	t.Parallel()
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	temp := openDir(t)
	parent.Env = append(os.Environ(), doomed+"=yes", "TMPDIR="+temp)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("the parent said %q: %v", line, err)
	}
	pgtest.Connect(t, url)
	if left := swept(t, temp); left != 1 {
		t.Errorf("%d folders while the parent lives", left)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed

	awaitRefusal(t, url)
	if left := swept(t, temp); left != 0 {
		t.Errorf("%d folders after the parent's end", left)
	}
}

// awaitRefusal returns when nobody listens at url.
func awaitRefusal(t *testing.T, url string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	ask := time.NewTicker(20 * time.Millisecond)
	defer ask.Stop()
	for {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil && strings.Contains(err.Error(), "refused") {
			return
		}
		if err == nil {
			_ = conn.Close(t.Context())
		}
		select {
		case <-ask.C:
		case <-deadline:
			t.Fatal("the server outlives its parent")
		}
	}
}

// swept counts the folders that are left after a sweep.
func swept(t *testing.T, temp string) int {
	t.Helper()
	pgtemp.Sweep(temp)
	entries, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
