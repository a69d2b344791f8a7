package sse

import (
	"net/http"

	"rowcast/rooms/auth"
)

// What a page of another origin may ask for, beside what every page may: a
// token, and where it was, which an EventSource says by itself and fetch does not.
const (
	corsMethods = http.MethodGet
	corsHeaders = "Authorization, Last-Event-ID"
	corsMaxAge  = "600" // seconds, for a preflight's answer
)

// cors lets pages of allowed origins read the answer, and answers a browser that
// asks beforehand. It reports whether that was all. The gate has looked at the
// origin: there is none, or it is allowed.
func cors(w http.ResponseWriter, r *http.Request, gate *auth.Gate) (answered bool) {
	head := w.Header()
	if origin := r.Header.Get("Origin"); origin != "" {
		head.Set("Access-Control-Allow-Origin", origin)
		if gate.Credentials() && origin != "null" { // null is many origins
			head.Set("Access-Control-Allow-Credentials", "true")
		}
	}
	switch r.Method {
	case http.MethodGet:
		return false
	case http.MethodOptions:
		head.Set("Access-Control-Allow-Methods", corsMethods)
		head.Set("Access-Control-Allow-Headers", corsHeaders)
		head.Set("Access-Control-Max-Age", corsMaxAge)
		w.WriteHeader(http.StatusNoContent)
	default:
		head.Set("Allow", "GET, OPTIONS")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
	}
	return true
}
