// Package chat is the demo application that `rowcast dev` starts: a schema
// with watched tables, a small HTTP API over them, and a page on which two users
// see the same rows.
package chat

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
)

// Insert is the statement to try first: its row appears in both panes.
const Insert = "INSERT INTO messages (topic_id, content) VALUES (7, 'hello from psql')"

// Schema makes the demo's tables, rows and watches; it wants the rowcast schema.
//
//go:embed schema.sql
var Schema string

//go:embed index.html
var page string

// Page renders the page. psql is the command line that opens a shell on the
// demo's database, for the lines the page offers to copy.
func Page(psql string) ([]byte, error) {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct{ Psql, Insert string }{psql, Insert}); err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return b.Bytes(), nil
}
