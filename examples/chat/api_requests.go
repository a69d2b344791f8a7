package chat

import (
	"maps"
	"net/http"
	"sync"
)

// maxClients bounds what strangers can make the counter remember.
const maxClients = 1000

// requests counts each client's reads, under the name it gives in X-Client:
// the page shows what its way of refetching costs.
type requests struct {
	mu sync.Mutex
	of map[string]int
}

func newRequests() *requests { return &requests{of: make(map[string]int)} }

// counted counts the GETs that next is asked.
func (q *requests) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get("X-Client"); name != "" && r.Method == http.MethodGet {
			q.add(name)
		}
		next.ServeHTTP(w, r)
	})
}

func (q *requests) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, known := q.of[name]; known || len(q.of) < maxClients {
		q.of[name]++
	}
}

func (a *API) counts(*http.Request) (reply, error) {
	a.requests.mu.Lock()
	defer a.requests.mu.Unlock()
	return reply{body: maps.Clone(a.requests.of)}, nil
}

func (a *API) resetCount(r *http.Request) (reply, error) {
	a.requests.mu.Lock()
	defer a.requests.mu.Unlock()
	delete(a.requests.of, r.PathValue("name"))
	return reply{status: http.StatusNoContent}, nil
}
