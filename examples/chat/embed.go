// Package chat is the demo application that `rowcast dev` starts: a schema
// with watched tables, a small HTTP API over them, and a page on which two users
// see the same rows.
package chat

import (
	"embed"
	"net/http"
)

// Insert is the statement to try first: its row appears in both panes.
const Insert = "INSERT INTO messages (topic_id, content) VALUES (7, 'hello from psql')"

// Schema makes the demo's tables, rows and watches; it wants the rowcast schema.
//
//go:embed schema.sql
var Schema string

// dist is what web/ is built into.
//
//go:embed all:dist
var dist embed.FS

// Page serves the page: browsers ask for it anew each time, and keep its assets,
// which are named for their content.
func Page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, dist, "dist/index.html")
	})
	mux.HandleFunc("GET /assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		http.ServeFileFS(w, r, dist, "dist/assets/"+r.PathValue("name"))
	})
	return mux
}
