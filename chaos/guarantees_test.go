package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page of guarantees names what shows each of them: all that it names is
// there, every scenario is named, and the dot is where make test plays it.
func TestGuarantees(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	short := map[string]bool{}
	for _, sc := range scenarios() {
		short[sc.name] = sc.short
	}
	named := map[string]bool{}
	cells := 0
	for line := range strings.Lines(string(page)) {
		columns := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || len(columns) < 3 {
			continue
		}
		cells++
		for _, name := range regexp.MustCompile("`([^`]+)`(•?)").FindAllStringSubmatch(columns[len(columns)-1], -1) {
			played, scenario := short[name[1]]
			switch {
			case scenario && played != (name[2] != ""):
				t.Errorf("%s: the dot is wrong", name[1])
			case !scenario && !isTest(t, name[1]):
				t.Errorf("there is no %s", name[1])
			}
			named[name[1]] = true
		}
	}
	for name := range short {
		if !named[name] {
			t.Errorf("%s is not on the page", name)
		}
	}
	if cells < 30 {
		t.Errorf("only %d rows were found", cells)
	}
}

// isTest is whether folder.TestName is a test.
func isTest(t *testing.T, name string) bool {
	folder, test, _ := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
