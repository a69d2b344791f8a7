package auth

import "net/http"

// carriage is how a request may carry a token.
type carriage struct {
	cookie string // its name; "": none is looked at
	query  bool   // ?token= counts
}

// carried returns the token that came with a request.
func carried(r *http.Request, c carriage) (token string, found bool) {
	return "", false
}
