package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxBody  = 64 << 10
	maxDelay = 5 * time.Second
)

// ID is a bigint. In JSON it is a string, as in rowcast's events: a JavaScript
// number would round it.
type ID int64

// MarshalJSON writes the id as a string.
func (id ID) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(id), 10)), nil
}

// UnmarshalJSON reads a string, or the number that a client is likely to send.
func (id *ID) UnmarshalJSON(b []byte) (err error) {
	*id, err = parseID(strings.Trim(string(b), `"`))
	return err
}

func parseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, refusal{http.StatusBadRequest, fmt.Sprintf("%.40q is no id", s)}
	}
	return ID(n), nil
}

// pathID is the {id} of the route.
func pathID(r *http.Request) (ID, error) { return parseID(r.PathValue("id")) }

// refusal is an error that its client may read.
type refusal struct {
	status int
	text   string
}

func (e refusal) Error() string { return e.text }

// reply is what an endpoint answers: 200 unless it says otherwise.
type reply struct {
	status int
	body   any
	commit time.Duration // how long the transaction took, of a write
}

type endpoint func(*http.Request) (reply, error)

// serve makes a handler of an endpoint. With X-Delay the answer is kept back:
// the work has been done by then, so it may be stale when it arrives, like the
// answer of any slow server.
func (a *API) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		delay, err := delayOf(r)
		var out reply
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			out, err = e(r)
		}
		pause(r.Context(), delay)
		if r.Context().Err() != nil {
			return // nobody is there to read it
		}
		if err != nil {
			out = a.refused(r, err)
		}
		out.send(w)
	})
}

func (out reply) send(w http.ResponseWriter) {
	body, err := json.Marshal(out.body)
	if err != nil {
		http.Error(w, "{}", http.StatusInternalServerError) // never: the bodies are plain structs
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if out.commit > 0 {
		w.Header().Set("Server-Timing", fmt.Sprintf("commit;dur=%.3f", float64(out.commit)/float64(time.Millisecond)))
	}
	if out.status == http.StatusNoContent {
		w.WriteHeader(out.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if out.status != 0 {
		w.WriteHeader(out.status)
	}
	_, _ = w.Write(append(body, '\n')) // the browser is gone: its loss
}

// refused turns an error into what its client may know of it.
func (a *API) refused(r *http.Request, err error) reply {
	said := refusal{http.StatusInternalServerError, "something went wrong"}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == "23503" && pg.ConstraintName == "memberships_member_fkey":
			said = refusal{http.StatusNotFound, "there is no such user"}
		case pg.Code == "23503": // foreign_key_violation
			said = refusal{http.StatusNotFound, "there is no such public topic"}
		case pg.Code == "23505": // unique_violation
			said = refusal{http.StatusConflict, "there is one already"}
		case pg.Code == "23514": // check_violation
			said = refusal{http.StatusUnprocessableEntity, "the value is not allowed: " + pg.ConstraintName}
		case strings.HasPrefix(pg.Code, "22"): // data exceptions: a NUL in a text
			said = refusal{http.StatusUnprocessableEntity, "the value is not allowed"}
		}
	} else if errors.Is(err, pgx.ErrNoRows) {
		said = refusal{http.StatusNotFound, "there is no such row"}
	} else if too, ok := errors.AsType[*http.MaxBytesError](err); ok {
		said = refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", too.Limit)}
	} else if known, ok := errors.AsType[refusal](err); ok {
		said = known
	}
	if said.status == http.StatusInternalServerError {
		a.log.Error("request", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	return reply{status: said.status, body: struct {
		Error string `json:"error"`
	}{said.text}}
}

// decode reads the body, one JSON object with fields of in only.
func decode(r *http.Request, in any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return err
	}
	return refusal{http.StatusBadRequest, "the body: " + strings.TrimPrefix(err.Error(), "json: ")}
}

// text refuses a text that is blank or has more characters than most.
func text(field, s string, most int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return refusal{http.StatusUnprocessableEntity, field + " is blank"}
	case utf8.RuneCountInString(s) > most:
		return refusal{http.StatusUnprocessableEntity, fmt.Sprintf("%s is longer than %d characters", field, most)}
	}
	return nil
}

// optional is text where there may be none.
func optional(field string, s *string, most int) error {
	if s == nil {
		return nil
	}
	return text(field, *s, most)
}

func delayOf(r *http.Request) (time.Duration, error) {
	s := r.Header.Get("X-Delay")
	if s == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint(s, 10, 16)
	delay := time.Duration(ms) * time.Millisecond
	if err != nil || delay > maxDelay {
		return 0, refusal{http.StatusBadRequest, fmt.Sprintf("X-Delay is a number of milliseconds up to %d", maxDelay.Milliseconds())}
	}
	return delay, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
