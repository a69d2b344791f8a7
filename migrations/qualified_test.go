package migrations_test

import "regexp"

// What unqualified looks for. Rough, and enough for the SQL of this package.
var (
	comment           = regexp.MustCompile(`(?m)--.*$|^#.*$`)
	quoted            = regexp.MustCompile(`E?'(?:[^']|'')*'`)
	qualifiedOperator = regexp.MustCompile(`OPERATOR\(pg_catalog\.[^)]+\)`)
	bareCast          = regexp.MustCompile(`::(?:[a-oq-z"]|p[a-fh-z])\w*`) // ::text, not ::pg_catalog.text
	bareCall          = regexp.MustCompile(`(?:^|[^\w.$"])([A-Za-z_]\w*)\s*\(`)
	bareOperator      = regexp.MustCompile(`.{0,20}(?:[-+/%<>=~|&@#^!]+| \* |\bIN\b|\bLIKE\b|\bBETWEEN\b|\bNULLIF\b|DISTINCT FROM).{0,20}`)
	keyword           = words("AND OR NOT AS ANY ALL ARRAY VALUES EXISTS FROM WHERE SELECT CASE WHEN THEN ELSE COALESCE ROW ON OVER MATERIALIZED JOIN IF INTO S L")
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range regexp.MustCompile(`\S+`).FindAllString(list, -1) {
		set[w] = true
	}
	return set
}
