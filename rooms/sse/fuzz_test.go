package sse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// FuzzStream: whatever a URL and a Last-Event-ID say, the answer is a stream of
// the protocol with whole frames, none twice, and cursors of ours only; or one
// $error with the status that it calls for.
func FuzzStream(f *testing.F) {
	cursor := func(xid uint64) string {
		return snapshot.Cursor{Epoch: "test", Snapshot: snapshot.New(xid)}.Encode()
	}
	f.Add("topics=a,b", cursor(102), "")
	f.Add("topics=a&since="+cursor(101), "", "https://evil.example")
	f.Add("topics=a%2Cb&since=x", "\n\r: data", "")
	f.Add("topics=bad topic,$x", cursor(104), "null")
	f.Add("topics=%zz&&=", "%", "http://127.0.0.1:80")
	gate, err := auth.New(auth.Options{Addr: "127.0.0.1:80"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query, last, origin string) {
		hub := rooms.New(rooms.Options{})
		hub.Reset(rooms.Reset{Epoch: "test", Snapshot: snapshot.New(101), Floor: snapshot.New(101)})
		for xid := uint64(101); xid < 105; xid++ {
			data := fmt.Appendf(nil, `{"type":"t","payload":{},"id":"%d"}`, xid)
			hub.Publish(rooms.Batch{Snapshot: snapshot.New(xid + 1), Items: []rooms.Item{
				{Topics: []string{"a", "b"}[:1+xid%2], Data: data, Cursor: cursor(xid + 1), XID: xid},
			}})
		}
		h := New(hub, gate, Options{})
		w := &answer{ResponseRecorder: httptest.NewRecorder(), begun: make(chan struct{}, 1)}
		r := &http.Request{
			Method: http.MethodGet, Host: "127.0.0.1:80", RemoteAddr: "127.0.0.1:9", URL: &url.URL{Path: "/sse", RawQuery: query},
			Header: http.Header{"Last-Event-Id": {last}, "Origin": {origin}},
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.ServeHTTP(w, r.WithContext(t.Context()))
		}()
		<-w.begun
		// The stream ends after what waits for it.
		if err := h.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		<-ended
		body := w.Body.String()
		if w.Code != http.StatusOK {
			code, _ := checkFrame(t, body)
			if statuses[rooms.Code(code)] != w.Code || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("status %d of %q", w.Code, body)
			}
			return
		}
		checkStream(t, body)
	})
}

// answer tells when something of it was flushed.
type answer struct {
	*httptest.ResponseRecorder
	begun chan struct{}
}

func (a *answer) Flush() {
	a.ResponseRecorder.Flush()
	select {
	case a.begun <- struct{}{}:
	default:
	}
}

// checkStream reads a stream as a browser does (HTML, section 9.2.6).
func checkStream(t *testing.T, body string) {
	t.Helper()
	if !strings.HasSuffix(body, "\n\n") || strings.ContainsRune(body, '\r') {
		t.Fatalf("a block has no end: %q", body)
	}
	var ids []string
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		named := map[string]bool{}
		for line := range strings.Lines(block + "\n") {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if named[field] {
				t.Fatalf("two lines of %q in %q", field, block)
			}
			named[field] = true
			switch field {
			case "retry":
				if n, err := strconv.Atoi(value); err != nil || n < 0 {
					t.Fatalf("%q", line)
				}
			case "id":
				if c, err := snapshot.DecodeCursor(value); err != nil || c.Epoch != "test" {
					t.Fatalf("%q: %v", line, err)
				}
			case "data":
				_, id := checkFrame(t, value)
				if id != "" && slices.Contains(ids, id) {
					t.Fatalf("%s comes twice", id)
				}
				ids = append(ids, id)
			case "":
			default:
				t.Fatalf("field %q in %q", field, block)
			}
		}
	}
}

// checkFrame checks that text is one frame of the protocol, and returns the code
// of an $error and the id of an event.
func checkFrame(t *testing.T, text string) (code, id string) {
	t.Helper()
	var frame struct {
		Type    string
		ID      string
		Payload map[string]any
	}
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Type == "" || frame.Payload == nil {
		t.Fatalf("no frame: %q (%v)", text, err)
	}
	code, _ = frame.Payload["code"].(string)
	return code, frame.ID
}
