package ws

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// maxRef bounds a ref, as it stands in the frame: the server carries it back.
	maxRef = 128

	// maxNames bounds the topics of one frame, so that an answer which denies
	// them all is no larger than a few frames.
	maxNames = 1000

	// maxLookback keeps a client's number a time.Duration; the hub's own limit
	// is far below it.
	maxLookback = 24 * time.Hour
)

// request is a frame from a client. Fields that nobody knows are left alone: a
// newer client may send more.
type request struct {
	Type       string          `json:"type"`
	Ref        json.RawMessage `json:"ref"` // as sent: a number, a string, or nil for none
	Token      string          `json:"token"`
	Topics     []string        `json:"topics"`
	Since      *string         `json:"since"`
	LookbackMS *float64        `json:"lookback_ms"`
	asked      time.Time       // when it was read
}

// parseRequest reads a frame. On an error, whose words are meant for the client,
// the request still holds the ref if there was a good one.
func parseRequest(data []byte) (request, error) {
	var r request
	err := json.Unmarshal(data, &r)
	if !goodRef(r.Ref) {
		bad := r.Ref != nil
		r.Ref = nil
		if bad && err == nil {
			return r, fmt.Errorf("ref must be a number or a string, at most %d bytes", maxRef)
		}
	}
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return r, fmt.Errorf("%s is of the wrong type", wrong.Field)
	}
	if err != nil {
		return r, errors.New("not a JSON object")
	}
	return r, r.check()
}

func (r *request) check() error {
	switch r.Type {
	case "auth", "ping":
		return nil
	case "join", "leave":
		if len(r.Topics) == 0 {
			return errors.New("topics are missing")
		}
		if len(r.Topics) > maxNames {
			return fmt.Errorf("more than %d topics in one frame", maxNames)
		}
	case "":
		return errors.New("type is missing")
	default:
		return errors.New("unknown type")
	}
	switch {
	case r.Since != nil && r.LookbackMS != nil:
		return errors.New("since and lookback_ms exclude each other")
	case r.LookbackMS != nil && *r.LookbackMS < 0:
		return errors.New("lookback_ms is below 0")
	}
	return nil
}

// lookback returns lookback_ms as a duration; nil for none.
func (r *request) lookback() *time.Duration {
	if r.LookbackMS == nil {
		return nil
	}
	d := time.Duration(min(*r.LookbackMS, float64(maxLookback.Milliseconds())) * float64(time.Millisecond))
	return &d
}

// goodRef says whether ref is a JSON number or string of bounded length.
func goodRef(ref json.RawMessage) bool {
	if len(ref) == 0 || len(ref) > maxRef {
		return false
	}
	c := ref[0]
	return c == '"' || c == '-' || '0' <= c && c <= '9'
}
